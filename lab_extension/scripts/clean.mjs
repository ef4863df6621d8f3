// Remove what the build makes. lib/ and tsconfig.tsbuildinfo go together: tsc believes the latter.
import { rmSync } from 'node:fs';

const built = [
  'lib',
  'tsconfig.tsbuildinfo',
  'py/pilothouse_lab/labextension',
  '../widgets/pilothouse_widgets/static'
];
for (const path of built) {
  rmSync(new URL(`../${path}`, import.meta.url), { recursive: true, force: true });
}
