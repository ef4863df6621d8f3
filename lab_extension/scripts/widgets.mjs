// Bundle the anywidget modules into widgets/pilothouse_widgets/static/: a widget is NAME.ts with its NAME.css.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const sources = fileURLToPath(new URL('../../widgets/js/', import.meta.url));

await build({
  entryPoints: readdirSync(sources)
    .filter(name => name.endsWith('.css'))
    .flatMap(name => [sources + name, sources + name.replace(/css$/, 'ts')]),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
  outdir: fileURLToPath(new URL('../../widgets/pilothouse_widgets/static/', import.meta.url))
});
