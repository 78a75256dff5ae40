import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('page'),
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: { outDir: here('dist/page'), emptyOutDir: true, target: 'es2022' },
  test: {
    projects: [
      { root: here('.'), test: { name: 'unit', include: ['{api,worker,shared,page}/**/*.test.ts'] } },
      {
        root: here('.'),
        test: { name: 'browser', include: ['test/*.browser.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
      },
    ],
  },
});
