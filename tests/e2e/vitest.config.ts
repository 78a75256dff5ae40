import { defineConfig } from 'vitest/config';

// Each test file has servers of its own; two at a time leave the machine some air.
export default defineConfig({
  test: { include: ['*.test.ts'], testTimeout: 40_000, hookTimeout: 40_000, maxWorkers: 2, minWorkers: 1, pool: 'forks', poolOptions: { forks: { execArgv: ['--experimental-eventsource'] } } },
});
