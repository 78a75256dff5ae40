import { expect, test, vi } from 'vitest';

import { clientOf, rejection, startBus } from '../test/support.js';
import type { EventBus, EventBusError } from './index.js';
import { createEventBus } from './index.js';

// What callers give where no compiler checks it.
type Careless = Record<'publish' | 'subscribe' | 'on' | 'events' | 'ready' | 'close' | 'onState' | 'onGap' | 'onError', (...args: unknown[]) => unknown>;

const careless = (client: EventBus) => client as unknown as Careless;
const ignore = () => {};

function thrownBy(call: () => unknown): EventBusError {
  try {
    call();
  } catch (thrown) {
    return thrown as EventBusError;
  }
  throw new Error('It threw nothing.');
}

// However a call says it.
async function refusal(call: () => unknown): Promise<EventBusError> {
  return rejection((async () => call())());
}

test.each([
  ['publish()', (bus: Careless) => bus.publish(), 'undefined'],
  ['publish of an empty type', (bus: Careless) => bus.publish('', {}), '""'],
  ['publish of an event that is in no list', (bus: Careless) => bus.publish({ type: 'tick', data: {} }), 'an object'],
  ['publish of a list with nothing in it', (bus: Careless) => bus.publish([{ type: 'tick', data: {} }, null]), 'events[1] must be an event, and is null'],
  ['publish of a list with a text in it', (bus: Careless) => bus.publish(['tick']), 'events[0] must be an event, and is "tick"'],
  ['publish of a list with an event without a type', (bus: Careless) => bus.publish([{ data: {} }]), 'events[0].type must be a text such as photo.uploaded, and is undefined'],
  ['publish with options that are none', (bus: Careless) => bus.publish('tick', {}, 500), '500'],
  ['subscribe()', (bus: Careless) => bus.subscribe(), 'undefined'],
  ['subscribe to an empty topic', (bus: Careless) => bus.subscribe('', ignore), '""'],
  ['subscribe to a list', (bus: Careless) => bus.subscribe(['a', 'b'], ignore), 'an object'],
  ['subscribe without a handler', (bus: Careless) => bus.subscribe('photo:1'), 'undefined'],
  ['subscribe with an object as its handler', (bus: Careless) => bus.subscribe('photo:1', Object.create(null)), 'an object'],
  ['subscribe with options that are none', (bus: Careless) => bus.subscribe('photo:1', ignore, 'workers'), '"workers"'],
  ['subscribe with a since that is not a string', (bus: Careless) => bus.subscribe('photo:1', ignore, { since: 17 }), '17'],
  ['on()', (bus: Careless) => bus.on(), 'undefined'],
  ['on without a handler', (bus: Careless) => bus.on('photo:1', null), 'null'],
  ['on with options that are none', (bus: Careless) => bus.on('photo:1', ignore, ignore), 'a function'],
  ['events()', (bus: Careless) => (bus.events() as AsyncIterator<unknown>).next(), 'undefined'],
  ['events with options that are none', (bus: Careless) => (bus.events('photo:1', true) as AsyncIterator<unknown>).next(), 'true'],
  ['onState', (bus: Careless) => bus.onState(), 'undefined'],
  ['onGap', (bus: Careless) => bus.onGap(), 'undefined'],
  ['onError', (bus: Careless) => bus.onError(), 'undefined'],
  ['ready', (bus: Careless) => bus.ready(5_000), '5000'],
  ['close', (bus: Careless) => bus.close(5_000), '5000'],
  ['publish with a signal that is none', (bus: Careless) => bus.publish('tick', {}, { signal: 'stop' }), '"stop"'],
  ['events with a signal that is none', (bus: Careless) => (bus.events('photo:1', { signal: {} }) as AsyncIterator<unknown>).next(), 'an object'],
])('%s says what it was given', async (_what, call, given) => {
  const bus = await startBus();

  const error = await refusal(() => call(careless(clientOf(bus))));

  expect(error).toMatchObject({ code: 'bad_request', message: expect.stringContaining(given) });
  expect(bus.commands).toEqual([]);
});

test('options that are left out may be null', async () => {
  const client = careless(clientOf(await startBus()));

  await client.publish('tick', {}, null);
  await client.publish([{ type: 'tick', data: {} }], null);
  await client.subscribe('photo:1', ignore, null);
  (client.on('photo:1', ignore, null) as () => void)();
  await client.ready(null);
  await client.close(null);
});

// --- numbers

const kNoNumbers = [NaN, 0, -1, '5', null];

test.each(['timeoutMs', 'queueEventsMax', 'queueBytesMax', 'repeatsMax'])('a client takes no %s that makes no sense', (name) => {
  for (const value of kNoNumbers) {
    const error = thrownBy(() => createEventBus({ url: 'http://127.0.0.1:1', resumeKey: false, [name]: value }));
    expect(error).toMatchObject({ name: 'EventBusError', code: 'bad_request', message: expect.stringContaining(name) });
  }
  createEventBus({ url: 'http://127.0.0.1:1', resumeKey: false, [name]: Infinity });
});

test.each([
  ['publish', 'timeoutMs', (bus: Careless, options: object) => bus.publish('tick', {}, options)],
  ['publish of a list', 'timeoutMs', (bus: Careless, options: object) => bus.publish([{ type: 'tick', data: {} }], options)],
  ['ready', 'timeoutMs', (bus: Careless, options: object) => bus.ready(options)],
  ['subscribe', 'timeoutMs', (bus: Careless, options: object) => bus.subscribe('photo:1', ignore, options)],
  ['subscribe', 'concurrency', (bus: Careless, options: object) => bus.subscribe('photo:1', ignore, options)],
  ['subscribe', 'maxInFlight', (bus: Careless, options: object) => bus.subscribe('photo.*', ignore, options)],
  ['events', 'timeoutMs', (bus: Careless, options: object) => (bus.events('photo:1', options) as AsyncIterator<unknown>).next()],
])('%s takes no %s that makes no sense', async (_what, name, call) => {
  const bus = await startBus();
  const client = careless(clientOf(bus));

  for (const value of kNoNumbers) {
    expect(await refusal(() => call(client, { [name]: value }))).toMatchObject({ code: 'bad_request', message: expect.stringContaining(name) });
  }
  expect(bus.commands).toEqual([]);
});

test.each([Infinity, 2.5, 1_001])('maxInFlight is none that the server refuses, as %s', async (maxInFlight) => {
  const bus = await startBus();

  expect(await rejection(clientOf(bus).subscribe('photo.*', ignore, { maxInFlight }))).toMatchObject({ code: 'bad_request', message: expect.stringContaining(`1 to 1000, and is ${maxInFlight}`) });
  expect(bus.commands).toEqual([]);
});

test('close() takes no drainMs that makes no sense, and closes nothing for it; 0 and Infinity do', async () => {
  const client = clientOf(await startBus());
  for (const drainMs of [NaN, -1, '5']) expect(await refusal(() => careless(client).close({ drainMs }))).toMatchObject({ code: 'bad_request', message: expect.stringContaining('drainMs') });
  await client.publish('tick', {});

  await client.close({ drainMs: Infinity });
  await client.close({ drainMs: 0 });
});

// --- which events

test('whatever a publish is refused for, it names its events', async () => {
  const bus = await startBus();
  const full = clientOf(bus, { queueEventsMax: 2, autoConnect: false });
  const waiting = rejection(full.publish('tick', {}, { id: 'waits' }));
  const three = ['a', 'b', 'c'].map((id) => ({ type: 'tick', data: {}, id }));
  const closed = clientOf(bus);
  await closed.close();
  vi.stubGlobal('location', { origin: 'null' });
  const lost = createEventBus({ resumeKey: false });

  const refused = await Promise.all([
    rejection(full.publish(three.slice(0, 2))),
    rejection(full.publish(three)),
    rejection(full.publish('tick', {}, { id: 'a', signal: AbortSignal.abort() })),
    rejection(full.publish('tick', 1n, { id: 'a' })),
    rejection(full.publish('tick', {}, { id: 'a', timeoutMs: 0 })),
    rejection(full.publish([...three.slice(0, 1), null as never])),
    rejection(full.publish('', {}, { id: 'a' })),
    rejection(closed.publish('tick', {}, { id: 'a' })),
    rejection(lost.publish('tick', {}, { id: 'a' })),
  ]);
  vi.unstubAllGlobals();
  await full.close({ drainMs: 0 });

  expect(refused.map(({ code, ids }) => [code, ids])).toEqual([
    ['too_many', ['a', 'b']],
    ['too_large', ['a', 'b', 'c']],
    ['aborted', ['a']],
    ['bad_event', ['a']],
    ['bad_request', ['a']],
    ['bad_request', ['a', expect.any(String)]],
    ['bad_request', ['a']],
    ['closed', ['a']],
    ['not_configured', ['a']],
  ]);
  expect(await waiting).toMatchObject({ code: 'closed', ids: ['waits'] });
});

test('the ids that a refused publish names are those of the events that it would have stored', async () => {
  const bus = await startBus();
  bus.script('publish', { ok: false, error: { code: 'invalid_data', message: 'It is not.' } });

  const error = await rejection(clientOf(bus).publish([{ type: 'tick', data: {} }, { type: 'tick', data: {} }]));

  expect(error.ids).toEqual((bus.sent('publish')[0] as { id: string }[][])[0]!.map(({ id }) => id));
});

test('whatever a subscribe is refused for, it names its topic', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const calls = [() => client.subscribe('photo:1', undefined as never), () => client.subscribe('photo:1', ignore, { timeoutMs: 0 }), () => client.subscribe('photo:1', ignore, { signal: AbortSignal.abort() })];
  for (const call of calls) expect(await rejection(call())).toMatchObject({ topic: 'photo:1' });
  await client.close();

  expect(await rejection(client.subscribe('photo:1', ignore))).toMatchObject({ code: 'closed', topic: 'photo:1' });
});
