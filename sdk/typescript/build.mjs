// Builds dist/esm, dist/cjs and dist/browser, each with its types, by the TypeScript compiler alone.
// `node build.mjs FOLDER` builds them elsewhere.
//
// dist/browser is as dist/esm, but for the `*.browser.ts`, which take the places of what only Node needs.
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

const esm = join(dist, 'esm');
const browser = join(dist, 'browser');
cpSync(esm, browser, { recursive: true });
for (const name of readdirSync(browser).filter((name) => name.includes('.browser.'))) renameSync(join(browser, name), join(browser, name.replace('.browser.', '.')));
