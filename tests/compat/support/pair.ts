import { afterAll, beforeAll } from 'vitest';

import type { EchoOptions, ServerProcess } from './server-process.js';
import { ours, reference } from './server-process.js';

export interface Pair {
  readonly reference: ServerProcess;
  readonly ours: ServerProcess;
}

/** Both servers, for all tests of a file. */
export function usePair(options: EchoOptions = {}): Pair {
  const pair = { reference: reference(options), ours: ours(options) };
  const each = (act: (server: ServerProcess) => Promise<unknown>) => Promise.all([act(pair.reference), act(pair.ours)]);
  beforeAll(() => each((server) => server.up()));
  afterAll(() => each((server) => server.end('SIGTERM')));
  return pair;
}
