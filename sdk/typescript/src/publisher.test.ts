import { expect, test, vi } from 'vitest';

import { clientOf, rejection, Seen, startBus } from '../test/support.js';
import { EventBusError } from './errors.js';
import type { ConnectionState } from './index.js';
import { settle } from './options.js';
import { Publisher } from './publisher.js';

const kPhoto = { photoId: '123', userId: 'user-456', filename: 'vacation.jpg' };

test('a publish resolves with id, offset and duplicate', async () => {
  const bus = await startBus();

  const published = await clientOf(bus).publish('photo.uploaded', kPhoto, { id: 'mine' });

  expect(published).toEqual({ id: 'mine', offset: '1.1', duplicate: false });
  expect(bus.sent('publish')).toEqual([[{ type: 'photo.uploaded', data: kPhoto, id: 'mine' }]]);
});

test('an event that found no owner is told as such', async () => {
  const bus = await startBus();
  bus.script('publish', { ok: true, id: 'x', offset: '1.1', duplicate: false, unowned: true }, { ok: true, events: [{ id: 'x', offset: '1.1', duplicate: false, unowned: true }] });
  const client = clientOf(bus);

  expect(await client.publish('photo.processing.started', { photoId: '404' })).toMatchObject({ unowned: true });
  expect(await client.publish([{ type: 'photo.processing.started', data: { photoId: '404' } }])).toMatchObject([{ unowned: true }]);
});

test('without an id one is made, another for each event', async () => {
  const bus = await startBus();

  const published = await clientOf(bus).publish([
    { type: 'a.b', data: {} },
    { type: 'a.b', data: {} },
  ]);

  expect(new Set(published.map(({ id }) => id)).size).toBe(2);
  for (const { id } of published) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('a publish whose answer is lost is sent again with the same bytes and stored once', async () => {
  const bus = await startBus();
  bus.script('publish', 'obey, then break', 'break');
  const data = { ...kPhoto };

  const publish = clientOf(bus).publish('photo.uploaded', data);
  data.filename = 'changed in the meantime';

  expect(await publish).toMatchObject({ duplicate: true });
  const [first, second, third] = bus.sent('publish');
  expect(second).toEqual(first);
  expect(third).toEqual(first);
  expect(first).toMatchObject([{ data: kPhoto }]);
  expect(bus.log).toHaveLength(1);
});

test('an error that passes is tried again, after the pause that the server names', async () => {
  const bus = await startBus();
  bus.script('publish', { ok: false, error: { code: 'read_only', message: 'not now', retryAfterMs: 30 } });
  const began = performance.now();

  await clientOf(bus).publish('photo.uploaded', kPhoto);

  expect(performance.now() - began).toBeGreaterThanOrEqual(29);
  expect(bus.sent('publish')).toHaveLength(2);
});

test.each([
  ['unknown_type', { ok: false, error: { code: 'unknown_type', message: 'Did you mean photo.uploaded?' } }, 'unknown_type'],
  ['a code of a newer server', { ok: false, error: { code: 'no_such_moon', message: 'The moon is gone.' } }, 'no_such_moon'],
  ['an answer without an error', { ok: false }, 'bad_request'],
])('an error that stays rejects at once: %s', async (_name, answer, code) => {
  const bus = await startBus();
  bus.script('publish', answer);

  const error = await rejection(clientOf(bus).publish('photo.upload', kPhoto));

  expect(error.code).toBe(code);
  expect(bus.sent('publish')).toHaveLength(1);
});

test('the deadline ends a publish, and the error tells what stood in the way', async () => {
  const bus = await startBus();
  await bus.stop();
  const client = clientOf(bus);
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  client.on('**', () => {});
  await states.until((all) => all.at(-1)?.error !== undefined);

  const error = await rejection(client.publish('photo.uploaded', kPhoto, { timeoutMs: 20 }));

  expect(error.code).toBe('timeout');
  expect(error.message).toContain('cannot be reached');
});

test('a signal ends a publish', async () => {
  const bus = await startBus();
  await bus.stop();
  const controller = new AbortController();
  const client = clientOf(bus);

  const publish = rejection(client.publish('photo.uploaded', kPhoto, { signal: controller.signal }));
  controller.abort();

  expect((await publish).code).toBe('aborted');
  expect((await rejection(client.publish('photo.uploaded', kPhoto, { signal: controller.signal }))).code).toBe('aborted');
});

test('what is published while offline is sent in the order of the calls', async () => {
  const bus = await startBus();
  await bus.stop();
  const client = clientOf(bus);

  const all = Array.from({ length: 200 }, (_, n) => client.publish('tick', { n }));
  await bus.listen();
  await Promise.all(all);

  expect(bus.log.map(({ data }) => data)).toEqual(Array.from({ length: 200 }, (_, n) => ({ n })));
});

test('one event more than the queue takes is refused, and the others are not lost', async () => {
  const bus = await startBus();
  await bus.stop();
  const client = clientOf(bus, { queueEventsMax: 3 });
  const waiting = [1, 2, 3].map((n) => client.publish('tick', { n }));

  const error = await rejection(client.publish('tick', { n: 4 }));

  expect(error).toMatchObject({ code: 'too_many', retryAfterMs: 1_000 });
  await bus.listen();
  expect(await Promise.all(waiting)).toHaveLength(3);
  await client.publish('tick', { n: 5 });
});

test('one byte more than the queue takes is refused', async () => {
  const bus = await startBus();
  const event = { type: 'tick', data: { n: 1 }, id: 'x' };
  const bytes = JSON.stringify(event).length;
  const publishWithin = (queueBytesMax: number) => clientOf(bus, { queueBytesMax }).publish('tick', event.data, { id: 'x' });

  await publishWithin(bytes);
  const error = await rejection(publishWithin(bytes - 1));

  expect(error.code).toBe('too_large');
  await bus.stop();
  const full = clientOf(bus, { queueBytesMax: bytes });
  void full.publish('tick', event.data, { id: 'x' }).catch(() => {});
  expect(await rejection(full.publish('tick', {}, { id: 'y' }))).toMatchObject({ code: 'too_many' });
});

test('data that is no JSON is refused before it is sent', async () => {
  const bus = await startBus();

  const error = await rejection(clientOf(bus).publish('tick', { n: 1n }));

  expect(error.code).toBe('bad_event');
});

test('an answer for fewer events than were sent is an error', async () => {
  const bus = await startBus();
  bus.script('publish', { ok: true, events: [{ id: 'a', offset: '1.1', duplicate: false }] });

  const error = await rejection(clientOf(bus).publish([{ type: 'a', data: {} }, { type: 'b', data: {} }]));

  expect(error.code).toBe('internal');
});

test('no events are published without asking anybody', async () => {
  const bus = await startBus();

  expect(await clientOf(bus).publish([])).toEqual([]);
  expect(bus.commands).toEqual([]);
});

test('what has to be tried again goes before what was published later', async () => {
  vi.useFakeTimers();
  const sent: unknown[] = [];
  const connection = {
    isLive: true,
    maxPayload: undefined,
    state: { status: 'live' } as const,
    request: async (_command: string, [event]: readonly unknown[]) => {
      sent.push((event as { data: unknown }).data);
      if (sent.length === 1) throw new EventBusError('read_only', '', { retryAfterMs: 50 });
      return { ok: true, id: 'x', offset: '1.1', duplicate: false };
    },
  };
  const publisher = new Publisher(connection, settle({ url: 'http://x' }));

  const first = publisher.publish({ type: 'tick', data: 'first' }, {});
  await vi.advanceTimersByTimeAsync(1);
  connection.isLive = false;
  const second = publisher.publish({ type: 'tick', data: 'second' }, {});
  await vi.advanceTimersByTimeAsync(100);
  connection.isLive = true;
  publisher.flush();
  await Promise.all([first, second]);

  expect(sent).toEqual(['first', 'first', 'second']);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('no more requests are under way than the bound, and all are answered', async () => {
  let underWay = 0;
  let most = 0;
  const connection = {
    isLive: true,
    maxPayload: undefined,
    state: { status: 'live' } as const,
    request: async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      --underWay;
      return { ok: true, id: 'x', offset: '1.1', duplicate: false };
    },
  };
  const publisher = new Publisher(connection, settle({ url: 'http://x' }));

  await Promise.all(Array.from({ length: 500 }, () => publisher.publish({ type: 'tick', data: {} }, {})));
  await publisher.idle();

  expect(most).toBe(128);
});

test('a publish that is not acknowledged in time names its ids, and an endless time-out does not pass', async () => {
  const bus = await startBus();
  bus.script('publish', 'silence');
  const client = clientOf(bus);

  const endless = client.publish('tick', {}, { id: 'endless', timeoutMs: Infinity });
  await bus.until(() => bus.sent('publish').length === 1);
  bus.script('publish', 'silence');
  const late = await rejection(client.publish([{ type: 'a', data: {}, id: 'one' }, { type: 'a', data: {}, id: 'two' }], { timeoutMs: 50 }));

  expect(late).toMatchObject({ code: 'timeout', ids: ['one', 'two'] });
  await bus.stop();
  await bus.listen();
  expect(await endless).toMatchObject({ id: 'endless' });
});

test('what is larger than the queue itself is refused for good, and bytes are those of UTF-8', async () => {
  const bus = await startBus();
  const client = clientOf(bus, { queueEventsMax: 2, queueBytesMax: 200 });
  const tick = { type: 'tick', data: {} };

  expect(await rejection(client.publish([tick, tick, tick]))).toMatchObject({ code: 'too_large', retry: 'never' });
  expect(await rejection(client.publish('tick', { text: 'ü'.repeat(80) }))).toMatchObject({ code: 'too_large' });
  await client.publish('tick', { text: 'u'.repeat(80) });
});

test('an event above what the server takes is refused at once, and nobody else waits for it', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.publish('tick', {});
  const text = 'x'.repeat(1e6);

  const [large, small] = await Promise.all([rejection(client.publish('large', { text })), client.publish('tick', {})]);

  expect(large).toMatchObject({ code: 'too_large', retry: 'never' });
  expect(small).toMatchObject({ duplicate: false });
  expect(bus.connects).toHaveLength(1);
});
