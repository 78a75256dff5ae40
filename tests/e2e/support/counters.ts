import { expect } from 'vitest';

import type { PlainClient } from './clients.js';
import type { BusServer } from './server.js';
import { serviceToken, userToken } from './tokens.js';

/** Bob, who may watch every counter. */
export const kBob = userToken('bob', { permissions: ['watch:counter:*'] });

/** Counter 1 counts from `from` to `to`; each count is acknowledged. */
export async function count(server: BusServer, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; ++n) {
    const event = { type: 'counter.counted', data: { counterId: '1', n } };
    expect((await server.post('/v1/events', serviceToken('api'), event)).status).toBe(200);
  }
}

/** The counts that a client got, in their order. */
export function counted({ events }: PlainClient): number[] {
  return events.things.filter(({ name }) => name === 'counter.counted').map(({ data }) => data.n as number);
}

/** The names of the notices that the client got, in their order. */
export function told({ control }: PlainClient): string[] {
  return control.things.map(({ name }) => name);
}
