// The simulation with the package and socket.io-client, as a browser gets them, in one file for Node.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, '../../src');

/** `change(text, name)` gives the text of `src/NAME` as it is to be. Returns the path of the program. */
export async function bundle(change = (text) => text, name = 'program') {
  const folder = join(here, '../../node_modules/.simulation');
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${name}.mjs`);
  await build({
    entryPoints: [join(here, 'process.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    ignoreAnnotations: true, // the package has no side effects; globals.ts is nothing else
    target: 'es2022',
    sourcemap: 'inline',
    external: ['node:*'],
    logLevel: 'error',
    plugins: [
      {
        name: 'the package, changed',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const text = readFileSync(path, 'utf8');
            return { contents: path.startsWith(source) ? change(text, path.slice(source.length + 1)) : text, loader: 'ts' };
          });
        },
      },
    ],
  });
  return outfile;
}
