// The simulation, and the package with engine.io-client as a browser gets them: two files for Node.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, '../../src');
const folder = join(here, '../../node_modules/.simulation');

const common = {
  bundle: true,
  platform: 'browser',
  ignoreAnnotations: true, // the package has no side effects; globals.ts is nothing else
  target: 'es2022',
  sourcemap: 'inline',
  external: ['node:*'],
  logLevel: 'error',
};

/** The program that runs seeds. Its first argument is a package. */
export async function buildSimulation() {
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, 'simulation.mjs');
  await build({ ...common, entryPoints: [join(here, 'process.ts')], outfile, format: 'esm' });
  return outfile;
}

/** The package as a script of which each page runs its own. `change(text, name)` gives the text of `src/NAME` as it is to be. */
export async function buildPackage(name = 'package', change = (text) => text) {
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${name}.js`);
  const changed = {
    name: 'the package, changed',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        return { contents: path.startsWith(source) ? change(text, path.slice(source.length + 1)) : text, loader: 'ts' };
      });
    },
  };
  await build({ ...common, entryPoints: [join(source, 'index.ts')], outfile, format: 'iife', globalName: 'thePackage', footer: { js: 'thePackage;' }, plugins: [changed] });
  return outfile;
}
