import { expect, test, vi } from 'vitest';

import type { Script } from '../test/scripted-bus.js';
import { clientOf, mulberry, rejection, Seen, startBus } from '../test/support.js';
import type { Connection } from './connection.js';
import { EventBusError } from './errors.js';
import type { ConnectionState } from './index.js';
import { settle } from './options.js';
import type { PublisherConnection } from './publisher.js';
import { Publisher } from './publisher.js';

// `send` of a connection that answers what `answer` gives, or the error that it throws.
function answering(answer: (args: readonly unknown[]) => Promise<Record<string, unknown>>): PublisherConnection['send'] {
  return (_command, args, _timeoutMs, onAnswer) => void answer(args).catch((error: EventBusError) => error).then(onAnswer);
}

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

const kRefused = { ok: false, error: { code: 'unavailable', message: 'not now', retryAfterMs: 5 } };
const kLimited = { ok: false, error: { code: 'too_many', message: 'too fast', retryAfterMs: 20 } };
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const obey = () => {};

test.each([
  ['the first is refused', [kRefused]],
  ['the second is refused', [obey, kRefused]],
  ['the third is refused', [obey, obey, kRefused]],
  ['they come too fast', [obey, kLimited, kLimited]],
  ['the connection breaks', [obey, 'break']],
  ['answers are lost', ['obey, then break', 'obey, then break']],
] as [string, Script[]][])('what one client publishes is stored in the order of the calls: %s', async (_name, scripts) => {
  const bus = await startBus();
  const client = clientOf(bus);
  bus.script('publish', ...scripts);

  await Promise.all(numbers(10).map((n) => client.publish('tick', { n })));

  expect(bus.log.map(({ data }) => (data as { n: number }).n)).toEqual(numbers(10));
});

test.each(numbers(40))('… whatever happens on the way (seed %i)', async (seed) => {
  const chance = mulberry(seed);
  const bus = await startBus();
  const client = clientOf(bus);
  const faults: Script[] = [kRefused, kLimited, 'break', 'obey, then break'];
  bus.script('publish', ...numbers(30).map(() => (chance() < 0.6 ? obey : faults[Math.floor(chance() * faults.length)]!)));

  const all: Promise<unknown>[] = [];
  for (const n of numbers(60)) {
    all.push(chance() < 0.8 ? client.publish('tick', { n }) : client.publish([{ type: 'tick', data: { n } }, { type: 'tick', data: { n: n + 0.5 } }]));
    if (chance() < 0.3) await new Promise((resolve) => setTimeout(resolve, chance() * 4));
  }
  await Promise.all(all);

  const stored = bus.log.map(({ data }) => (data as { n: number }).n);
  expect(stored).toEqual([...stored].sort((a, b) => a - b));
  expect(stored.filter(Number.isInteger)).toEqual(numbers(60));
});

test('what is refused for good, or too late, holds up nothing behind it', async () => {
  const bus = await startBus();
  bus.judge = ({ data }) => ((data as { n: number }).n === 5 ? { code: 'invalid_data', message: 'n is 5' } : (data as { n: number }).n === 7 ? { code: 'unavailable', message: 'no room for 7', retryAfterMs: 5 } : undefined);
  const client = clientOf(bus);

  const all = numbers(20).map((n) => client.publish('tick', { n }, n === 7 ? { timeoutMs: 200 } : {}));
  const [five, seven] = await Promise.all([rejection(all[5]!), rejection(all[7]!), ...all.filter((_, n) => n !== 5 && n !== 7)]);

  expect(five).toMatchObject({ code: 'invalid_data', message: 'n is 5' });
  expect(seven).toMatchObject({ code: 'timeout', message: expect.stringContaining('no room for 7') });
  expect(bus.log.map(({ data }) => (data as { n: number }).n)).toEqual(numbers(20).filter((n) => n !== 5 && n !== 7));
});

test('a pause that is over with the event it was for does not go on for the others, nor past a close', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.publish('tick', { n: 0 });
  bus.script('publish', { ok: false, error: { code: 'unavailable', message: 'not now', retryAfterMs: 60_000 } });

  const first = rejection(client.publish('tick', { n: 1 }, { timeoutMs: 50 }));
  const second = client.publish('tick', { n: 2 });

  expect((await first).code).toBe('timeout');
  expect(await second).toMatchObject({ duplicate: false });
  bus.script('publish', { ok: false, error: { code: 'unavailable', message: 'not now', retryAfterMs: 60_000 } });
  const late = [3, 4].map((n) => rejection(client.publish('tick', { n })));
  await bus.until(() => bus.sent('publish').length === 4);
  await client.close({ drainMs: 20 });
  expect((await Promise.all(late)).map(({ code }) => code)).toEqual(['closed', 'closed']);
  expect(bus.sent('publish')).toHaveLength(4);
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
    maxPayload: undefined, dedupeWindowMs: undefined,
    state: { status: 'live' } as const,
    send: answering(async ([event]) => {
      sent.push((event as { data: unknown }).data);
      if (sent.length === 1) throw new EventBusError('read_only', '', { retryAfterMs: 50 });
      return { ok: true, id: 'x', offset: '1.1', duplicate: false };
    }),
  };
  const publisher = new Publisher(connection, settle({ url: 'http://x' }));

  const first = publisher.publish({ type: 'tick', data: 'first', id: '1' }, {});
  await vi.advanceTimersByTimeAsync(1);
  connection.isLive = false;
  const second = publisher.publish({ type: 'tick', data: 'second', id: '2' }, {});
  await vi.advanceTimersByTimeAsync(100);
  connection.isLive = true;
  publisher.flush();
  await Promise.all([first, second]);

  expect(sent).toEqual(['first', 'first', 'second']);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('one message is under way at a time, and takes all that wait within its bounds', async () => {
  const sizes: number[] = [];
  let underWay = 0;
  const connection = {
    isLive: true,
    maxPayload: 20_000,
    dedupeWindowMs: undefined,
    state: { status: 'live' } as const,
    send: answering(async ([events]) => {
      expect(++underWay).toBe(1);
      const list = [events].flat();
      expect(JSON.stringify(events).length).toBeLessThan(20_000 - '420["publish",]'.length);
      sizes.push(list.length);
      await new Promise((resolve) => setImmediate(resolve));
      --underWay;
      const published = list.map(() => ({ id: 'x', offset: '1.1', duplicate: false }));
      return published.length === 1 ? { ok: true, ...published[0] } : { ok: true, events: published };
    }),
  };
  const publisher = new Publisher(connection, settle({ url: 'http://x' }));

  await Promise.all(numbers(600).map((n) => publisher.publish({ type: 'tick', data: {}, id: String(n) }, {})));
  await Promise.all(numbers(60).map((n) => publisher.publish({ type: 'tick', data: 'x'.repeat(400), id: String(n) }, {})));
  const batch = (size: number) => numbers(size).map((n) => ({ type: 'tick', data: {}, id: String(n) }));
  await Promise.all([100, 100, 100, 300, 100, 156, 1].map((size) => publisher.publish(batch(size), {})));
  await publisher.idle();

  expect(sizes.slice(0, 4)).toEqual([1, 256, 256, 87]);
  expect(sizes.slice(4, 7)).toEqual([1, 45, 14]);
  expect(sizes.slice(7)).toEqual([100, 200, 300, 256, 1]);
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

test('an answer that comes late is the answer, whatever was sent again meanwhile, and what waits behind it goes on', async () => {
  vi.useFakeTimers();
  const sent: { ids: string[]; answer: Parameters<Connection['send']>[3] }[] = [];
  const connection = {
    isLive: true,
    maxPayload: undefined,
    dedupeWindowMs: undefined,
    state: { status: 'live' } as const,
    send: ((_command, [events], _timeoutMs, answer) => {
      sent.push({ ids: ([events].flat() as { id: string }[]).map(({ id }) => id), answer });
    }) as Connection['send'],
  };
  const publisher = new Publisher(connection, settle({ url: 'http://x' }));
  const publish = (id: string) => publisher.publish({ type: 'tick', data: {}, id }, {});
  const stored = (id: string, duplicate = false) => ({ ok: true, id, offset: `1.${id}`, duplicate });
  const late = new EventBusError('timeout', 'late');

  const first = publish('1'); // its answer comes while it rests
  sent[0]!.answer(late);
  sent[0]!.answer(stored('1'));
  expect(await first).toMatchObject([{ offset: '1.1' }]);

  const others = [publish('2'), publish('3'), publish('4')]; // theirs, when the first of them has been sent again
  expect(sent[1]!.ids).toEqual(['2']);
  sent[1]!.answer(stored('2'));
  sent[2]!.answer(late);
  await vi.advanceTimersByTimeAsync(200);
  expect(sent.map(({ ids }) => ids)).toEqual([['1'], ['2'], ['3', '4'], ['3']]);
  const behind = publish('5');
  sent[2]!.answer({ ok: true, events: [stored('3'), stored('4')] });
  await Promise.all(others);
  expect(sent[4]!.ids).toEqual(['5']); // behind the copy, which nobody waits for
  sent[3]!.answer(stored('3', true));
  const last = publish('6');
  expect(sent).toHaveLength(5);
  sent[4]!.answer(stored('5'));
  sent[5]!.answer(late);
  sent[5]!.answer(new EventBusError('forbidden', 'No.'));

  expect(await behind).toMatchObject([{ offset: '1.5' }]);
  expect((await rejection(last)).code).toBe('forbidden');
  expect(publisher.stored).toBe(5);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('what went together when the connection broke goes in smaller messages then: it may have been too much for a proxy', async () => {
  const sizes: number[] = [];
  const connection = {
    isLive: true,
    maxPayload: undefined,
    dedupeWindowMs: undefined,
    state: { status: 'live' } as const,
    send: answering(async ([events]) => {
      const list = [events].flat();
      sizes.push(list.length);
      const published = list.map(() => ({ id: 'x', offset: '1.1', duplicate: false }));
      if (list.length <= 8) return { ok: true, events: published };
      connection.isLive = false;
      setTimeout(() => {
        connection.isLive = true;
        publisher.flush();
      }, 1);
      throw new EventBusError('unavailable', 'It answers HTTP 413.');
    }),
  };
  const publisher = new Publisher(connection, settle({ url: 'http://x' }));

  await Promise.all(numbers(20).map((n) => publisher.publish({ type: 'tick', data: {}, id: String(n) }, {})));

  expect(sizes).toEqual([1, 19, 1, 2, 4, 8, 4]);
});

test('what a proxy does not take is refused once it has gone alone twice, and what waits behind it goes through', async () => {
  const bus = await startBus();
  bus.script('publish', 'break with 1009', 'break with 1009', 'break with 1009'); // the first is for both together
  const client = clientOf(bus);

  const large = rejection(client.publish('large', {}, { id: 'l' }));
  const small = client.publish('small', {});

  expect(await large).toMatchObject({ code: 'too_large', ids: ['l'], message: expect.stringContaining('1009: a message is larger than the server or a proxy takes') as string });
  expect(await small).toMatchObject({ duplicate: false });
  expect(bus.connects).toHaveLength(4);
});
