import { defineConfig } from 'vitest/config';

// One file at a time: the echo servers close a client that is silent for half a second.
export default defineConfig({
  test: { include: ['*.test.ts'], testTimeout: 40_000, hookTimeout: 15_000, fileParallelism: false, pool: 'forks' },
});
