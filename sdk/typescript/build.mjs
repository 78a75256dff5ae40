// Builds dist/esm and dist/cjs, each with its types, by the TypeScript compiler alone.
// `node build.mjs FOLDER` builds them elsewhere.
//
// package.json has no conditions `browser` and `node`: both would name these same files. What differs between them is
// in engine.io-client, whose own conditions a bundler follows, and in what is asked of `globalThis` at run time.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');

const dist = process.argv[2] ?? join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
for (const format of ['esm', 'cjs']) {
  const project = join(root, `tsconfig.${format}.json`);
  execFileSync(process.execPath, [compiler, '-p', project, '--outDir', join(dist, format)], { stdio: 'inherit' });
}
// Inside dist/cjs a .js file is CommonJS, whatever the package's own type says.
writeFileSync(join(dist, 'cjs/package.json'), '{ "type": "commonjs" }\n');
