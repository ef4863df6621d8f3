// Run the tests of the plain modules with Node's own runner: test/*.test.ts are bundled first.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const tests = fileURLToPath(new URL('../test/', import.meta.url));
const output = mkdtempSync(join(tmpdir(), 'pilothouse-test-'));
const names = readdirSync(tests).filter(name => name.endsWith('.test.ts'));

try {
  await build({
    entryPoints: names.map(name => tests + name),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outExtension: { '.js': '.mjs' },
    define: { 'import.meta.dirname': JSON.stringify(tests) },
    outdir: output,
    logLevel: 'warning'
  });
  const files = names.map(name => join(output, name.replace(/\.ts$/, '.mjs')));
  process.exitCode =
    spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(output, { recursive: true, force: true });
}
