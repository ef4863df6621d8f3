// Write src/generated.ts, the types of what the server answers, from openapi.yaml, whose schemas are those of the Python
// models; with --check, only say whether it is as it was written. It is committed: a build needs no Python.
import { readFileSync, writeFileSync } from 'node:fs';

import openapiTS, { astToString } from 'openapi-typescript';

const target = new URL('../src/generated.ts', import.meta.url);
const nodes = await openapiTS(new URL('../py/pilothouse_lab/openapi.yaml', import.meta.url), {
  defaultNonNullable: false,
  immutable: true,
  rootTypes: true,
  rootTypesNoSchemaPrefix: true,
  silent: true
});
const unused = ['paths', 'operations', 'webhooks', '$defs'];
const types = nodes.filter(node => !unused.includes(node.name?.text));
const written = `/** Written by scripts/generated.mjs from openapi.yaml. */\n\n${astToString(types)}`;

if (!process.argv.includes('--check')) {
  writeFileSync(target, written);
} else if (readFileSync(target, 'utf8') !== written) {
  console.error('src/generated.ts is not what openapi.yaml says: npm run generated');
  process.exitCode = 1;
}
