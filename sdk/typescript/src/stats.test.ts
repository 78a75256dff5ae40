import { expect, test } from 'vitest';

import { clientOf, rejection, Seen, startBus } from '../test/support.js';
import type { ConnectionState } from './index.js';

test('a client counts what it has sent, received and dropped, and measures its last round trip', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const states = new Seen<ConnectionState>();
  const events = new Seen<unknown>();
  expect(client.stats()).toEqual({ sent: 0, received: 0, repeats: 0, reconnects: 0, roundTripMs: undefined });
  await client.subscribe('photo:1', events.add);
  client.onState(states.add);

  await client.publish('tick', {});
  await client.publish([{ type: 'tick', data: {} }, { type: 'tick', data: {} }]);
  bus.script('publish', { ok: false, error: { code: 'invalid_data', message: '' } });
  await rejection(client.publish('tick', {}));
  const stored = bus.publish({ type: 'photo.a', data: {}, subject: 'photo:1' });
  bus.show(stored);
  bus.publish({ type: 'photo.b', data: {}, subject: 'photo:1' });
  await events.atLeast(2);

  expect(client.stats()).toEqual({ sent: 3, received: 3, repeats: 1, reconnects: 0, roundTripMs: expect.any(Number) as number });
  expect(client.stats().roundTripMs).toBeGreaterThan(0);
  expect(client.stats().roundTripMs).toBeLessThan(1_000);
  bus.breakAll();
  await states.until((all) => all.some(({ status }) => status === 'reconnecting') && all.at(-1)?.status === 'live');
  expect(client.stats().reconnects).toBe(1);
});

test('what was stored before is not counted as sent, but what this client stored by a try whose answer was lost is, once', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.publish('tick', {}, { id: 'a' });

  expect(await client.publish('tick', {}, { id: 'a' })).toMatchObject({ duplicate: true });
  await client.publish([{ type: 'tick', data: {}, id: 'a' }, { type: 'tick', data: {}, id: 'b' }]);
  expect(client.stats().sent).toBe(2);
  bus.script('publish', 'obey, then break');
  expect(await client.publish('tick', {}, { id: 'c' })).toMatchObject({ duplicate: true });

  expect(client.stats().sent).toBe(3);
});
