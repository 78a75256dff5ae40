import { defineConfig } from 'vitest/config';

// Each test file has a server of its own. Its heartbeat is short, so one file at a time.
export default defineConfig({
  test: { include: ['*.test.ts'], testTimeout: 10_000, hookTimeout: 10_000, fileParallelism: false, pool: 'forks' },
});
