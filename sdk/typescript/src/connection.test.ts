import { afterEach, describe, expect, test, vi } from 'vitest';

import { afterwards, clientOf, rejection, Seen, startBus } from '../test/support.js';
import type { ConnectionState, EventBusError, Gap } from './index.js';
import { createEventBus, SignedOut } from './index.js';

const kExpired = { code: 'token_expired', message: 'The token has expired.' };
const kRefused = { code: 'unauthorized', message: 'The signature does not fit.', retryAfterMs: 1 };

test('nothing connects before the first call that needs it', async () => {
  const bus = await startBus();
  const client = clientOf(bus);

  expect(client.state).toEqual({ status: 'idle' });
  await client.publish('tick', {});

  expect(client.state).toMatchObject({ status: 'live' });
  expect(bus.connects).toEqual([{ place: true, token: 'a token' }]);
});

test('the states tell a first connection, a loss, the catching up and the end', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  const events = new Seen<unknown>();
  await client.subscribe('photo:1', events.add);
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  await events.atLeast(1);

  await bus.stop();
  bus.publish({ type: 'photo.b', subject: 'photo:1', data: {} });
  await bus.listen();
  await states.until((all) => all.at(-1)?.missed !== undefined);
  await client.close();

  const told = states.things.map(({ status, missed }) => (missed === undefined ? status : `${status}, missed ${missed}`));
  const distinct = told.filter((state, index) => state !== told[index - 1]);
  expect(distinct).toEqual(['idle', 'connecting', 'live', 'reconnecting', 'catching-up', 'live, missed 1', 'closed']);
});

test('a server that cannot be reached is told by the state, with the reason', async () => {
  const bus = await startBus();
  await bus.stop();
  const client = clientOf(bus);
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  const off = client.on('**', () => {});

  const all = await states.until((some) => some.some(({ error }) => error !== undefined));

  expect(all.at(-1)).toMatchObject({ status: 'connecting', error: { code: 'unavailable' } });
  off();
});

test('a token function is asked at every connect, and hears why the last one was refused', async () => {
  const bus = await startBus();
  const asked: unknown[] = [];
  bus.refusals = [{ ...kExpired, retryAfterMs: 1 }];
  const client = clientOf(bus, {
    token: async (context) => {
      asked.push(context);
      return `token ${asked.length}`;
    },
  });

  await client.publish('tick', {});

  expect(asked).toEqual([{}, { refused: 'token_expired' }]);
  expect(bus.connects.map(({ token }) => token)).toEqual(['token 1', 'token 2']);
});

test('a token that expires while connected is renewed, and what was subscribed stays', async () => {
  const bus = await startBus();
  const asked: unknown[] = [];
  const client = clientOf(bus, { token: (context) => (asked.push(context), 'fresh') });
  await client.subscribe('photo:1', () => {});

  bus.sockets[0]!.emit('token.expired', kExpired);
  bus.breakAll();
  await bus.until(() => bus.sent('subscribe').length === 2);

  expect(asked).toEqual([{}, { refused: 'token_expired' }]);
});

test('two fresh tokens that are refused end what waits, and a good one later brings the connection', async () => {
  const bus = await startBus();
  bus.refusals = [kRefused, kRefused];
  const client = clientOf(bus, { token: () => 'stale' });

  const error = await rejection(client.publish('tick', {}));
  await client.publish('tick', {});

  expect(error).toMatchObject({ code: 'unauthorized', message: kRefused.message });
  expect(bus.connects).toHaveLength(3);
});

test('refusals are counted from the last connection on', async () => {
  const bus = await startBus();
  const client = clientOf(bus, { token: () => 'a token' });
  bus.refusals = [kRefused];
  await client.publish('tick', {});

  bus.refusals = [kRefused];
  bus.breakAll();
  await bus.until(() => bus.sockets.length === 0);

  await client.publish('tick', {}); // is rejected if the two refusals count as in a row
});

test('a token that comes after its connection has gone is not used', async () => {
  const bus = await startBus();
  let giveLate = (_token: string) => {};
  const asked = new Seen<number>();
  const client = clientOf(bus, {
    token: () => {
      asked.add(asked.things.length + 1);
      return asked.things.length === 1 ? new Promise<string>((resolve) => (giveLate = resolve)) : 'second';
    },
  });
  const publish = client.publish('tick', {});
  await asked.atLeast(1);

  bus.breakAll();
  await publish;
  giveLate('late');
  await client.publish('tick', {});

  expect(bus.connects).toMatchObject([{ token: 'second' }]);
  expect(client.state.status).toBe('live');
});

test('two clients of one process have connections of their own', async () => {
  const bus = await startBus();
  const one = clientOf(bus, { token: 'one' });
  const two = clientOf(bus, { token: 'two' });
  await Promise.all([one.publish('tick', {}), two.publish('tick', {})]);

  await one.close();
  await two.publish('tick', {});

  expect(bus.connects.map(({ token }) => token).sort()).toEqual(['one', 'two']);
});

test.each([
  ['a refused token that cannot be renewed', kRefused],
  ['a client that is not let in', { code: 'forbidden', message: 'Not from there.' }],
])('%s closes the client and rejects what waits; the next call tries again', async (_name, refusal) => {
  const bus = await startBus();
  bus.refusals = [refusal];
  const client = clientOf(bus);

  const errors = await Promise.all([rejection(client.publish('tick', {})), rejection(client.subscribe('photo:1', () => {}))]);

  expect(errors.map(({ code }) => code)).toEqual([refusal.code, refusal.code]);
  expect(client.state).toMatchObject({ status: 'closed', error: { code: refusal.code } });
  await client.publish('tick', {});
  expect(client.state.status).toBe('live');
});

test('a static token that expires keeps the subscriptions for the next connection', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.subscribe('photo:1', () => {});
  bus.refusals = [kExpired];
  const states = new Seen<ConnectionState>();
  client.onState(states.add);

  bus.breakAll();
  await states.until((all) => all.at(-1)?.status === 'closed');
  await client.publish('tick', {});

  await bus.until(() => bus.sent('subscribe').length === 2);
});

describe('what no listener hears', () => {
  const said = () => {
    const seen = new Seen<string>();
    for (const method of ['warn', 'error'] as const) vi.spyOn(console, method).mockImplementation((...said: unknown[]) => seen.add(said.map(String).join(' ')));
    return seen;
  };
  afterEach(() => void vi.restoreAllMocks());

  test('a server that cannot be reached is told on the console after 3 s, and once', async () => {
    const bus = await startBus();
    await bus.stop();
    const lines = said();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    afterwards(() => vi.useRealTimers());
    const client = clientOf(bus);
    const failures = new Seen<unknown>();
    void client.subscribe('photo:1', () => {}).catch(failures.add);

    await vi.advanceTimersByTimeAsync(2_500);
    expect(lines.things).toEqual([]);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(lines.things).toEqual([expect.stringMatching(/^eventbus: http:\/\/127\.0\.0\.1:\d+ has not been reached for 3 s: .*onState\(\) hears of it\.$/)]);
    expect(failures.things).toEqual([]);
  });

  test('nothing is said where onState hears it, nor of a connection that comes in time', async () => {
    const bus = await startBus();
    const lines = said();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    afterwards(() => vi.useRealTimers());
    const quick = clientOf(bus);
    await quick.publish('tick', {});
    await bus.stop();
    const client = clientOf(bus);
    client.onState(() => {});
    client.on('**', () => {});
    quick.onState(() => {});

    await vi.advanceTimersByTimeAsync(10_000);

    expect(lines.things).toEqual([]);
  });

  test('a token that ends is told to onError', async () => {
    const bus = await startBus();
    const lines = said();
    const client = clientOf(bus);
    const errors = new Seen<EventBusError>();
    client.onError(errors.add);
    await client.subscribe('photo:1', () => {});
    bus.refusals = [kExpired];

    bus.breakAll();

    expect((await errors.atLeast(1)).map(({ code }) => code)).toEqual(['token_expired']);
    expect(lines.things).toEqual([]);
  });

  test('a connection that ends while nothing is asked for is told on the console, and the next call tries again', async () => {
    const bus = await startBus();
    const lines = said();
    const client = clientOf(bus);
    await client.publish('tick', {});
    bus.refusals = [kExpired];

    bus.breakAll();

    expect(await lines.atLeast(1)).toEqual([expect.stringMatching(/has ended: The token has expired\. \(token_expired\) A function as `token`/)]);
    await client.publish('tick', {});
  });

  test('a refusal that a promise tells is not told twice', async () => {
    const bus = await startBus();
    const lines = said();
    const client = clientOf(bus);
    bus.refusals = [kRefused];

    await rejection(client.publish('tick', {}));

    expect(lines.things).toEqual([]);
  });
});

test('a server that says "later" is asked later', async () => {
  const bus = await startBus();
  bus.refusals = [{ code: 'too_many', message: 'As many connections as there may be.', retryAfterMs: 1 }];

  await clientOf(bus).publish('tick', {});

  expect(bus.connects).toHaveLength(2);
});

test('a close by the server is come back from', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.publish('tick', {});

  bus.sockets[0]!.disconnect(true);

  await bus.until(() => bus.connects.length === 2);
});

describe('a CONNECT that is not answered', () => {
  const error = (states: Seen<ConnectionState>) => states.things.find((state) => state.error !== undefined)?.error;

  test.each([
    [1001, 'transport close, 1001'],
    [1009, 'transport close, 1009: a message is larger than the server or a proxy takes'],
  ])('but closed with %i is told with why, and tried again after pauses that grow', async (code, why) => {
    const bus = await startBus();
    bus.unanswered = [code, code, code, code, code];
    const client = clientOf(bus, { socketOptions: { reconnectionDelay: 20, reconnectionDelayMax: 400 } });
    const states = new Seen<ConnectionState>();
    client.onState(states.add);
    const at: number[] = [];

    client.connect();
    while (at.length < 6) {
      await bus.until(() => bus.connects.length > at.length);
      at.push(performance.now());
    }
    await client.ready();

    expect(at[5]! - at[4]!).toBeGreaterThan(155); // half of the fifth pause
    expect(error(states)).toMatchObject({ code: 'unavailable', message: `The connection to ${bus.url} ended before it answered CONNECT: ${why}.` });
    expect(client.state).toEqual({ status: 'live', transport: { name: 'websocket' } }); // the error is gone
  });

  test('is not waited for without end', async () => {
    const bus = await startBus();
    bus.unanswered = ['silence'];
    const client = clientOf(bus, { socketOptions: { timeout: 100 } });
    const states = new Seen<ConnectionState>();
    client.onState(states.add);

    await client.ready();

    expect(error(states)?.message).toContain('ended before it answered CONNECT: no answer came within 100 ms.');
    expect(bus.connects).toHaveLength(2);
  });

  test('for lack of a token is told as such', async () => {
    const bus = await startBus();
    const asked = new Seen<string>();
    const client = clientOf(bus, { token: () => (asked.add(''), asked.things.length === 1 ? new Promise<string>(() => {}) : 'a token') });
    const states = new Seen<ConnectionState>();
    client.onState(states.add);
    client.connect();
    await asked.atLeast(1);

    bus.breakAll();
    await client.ready();

    expect(error(states)?.message).toContain('ended before the function `token` gave a token: transport close, 1005.');
  });
});

test('a gap is told, with its borders', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const gaps = new Seen<unknown>();
  client.onGap(gaps.add);
  await client.publish('tick', {});

  bus.sockets[0]!.emit('resume.gap', { from: '1.1', to: '1.9' });

  expect(await gaps.atLeast(1)).toEqual([{ from: '1.1', to: '1.9' }]);
});

describe('a place that the log does not hold', () => {
  async function replaced(options: { hasSeen: boolean }) {
    const bus = await startBus();
    const client = clientOf(bus);
    const gaps = new Seen<unknown>();
    client.onGap(gaps.add);
    const states = new Seen<ConnectionState>();
    client.onState(states.add);
    const events = new Seen<{ id: string; offset: string }>();
    await client.subscribe('photo:1', events.add);
    if (options.hasSeen) {
      bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
      await events.atLeast(1);
    }
    await bus.stop();
    bus.replaceLog();
    bus.publish({ type: 'photo.b', subject: 'photo:1', data: {}, id: 'lost' });
    await bus.listen();
    return { bus, client, gaps, states, events };
  }

  test.each([true, false])('is told as a gap up to where the client goes on, and the state becomes live; an event was seen: %s', async (hasSeen) => {
    const { bus, gaps, states, events } = await replaced({ hasSeen });

    expect(await gaps.atLeast(1)).toEqual([{ from: hasSeen ? '1.1' : '1.0', to: '2.1' }]);
    expect(states.things.at(-1)).toMatchObject({ status: 'live' });
    bus.publish({ type: 'photo.c', subject: 'photo:1', data: {}, id: 'next' });
    const { id } = (await events.atLeast(hasSeen ? 2 : 1)).at(-1)!;
    expect(id).toBe('next');
    expect(gaps.things).toHaveLength(1);
  });

  test('is asked for once: the next drop goes on from where that one began', async () => {
    const { bus, client, gaps, events } = await replaced({ hasSeen: true });
    await gaps.atLeast(1);
    await client.publish('tick', {}); // all that the reconnect asks for has been answered

    await bus.stop();
    bus.publish({ type: 'photo.c', subject: 'photo:1', data: {}, id: 'next' });
    await bus.listen();

    expect((await events.atLeast(2)).at(-1)).toMatchObject({ id: 'next' });
    expect(bus.connects.map(({ since }) => since)).toEqual([undefined, '1.1', '2.1']);
    expect(gaps.things).toHaveLength(1);
  });

  test('goes to the console if nobody listens', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    afterwards(() => warn.mockRestore());
    const bus = await startBus();
    const client = clientOf(bus);
    await client.subscribe('photo:1', () => {});
    await bus.stop();
    bus.replaceLog();
    await bus.listen();

    await bus.until(() => bus.sent('subscribe').length === 2);
    await client.publish('tick', {});

    expect(warn.mock.calls).toEqual([[expect.stringMatching(/^eventbus: events between 1\.0 and 2\.0 were missed .*onGap\(\)/)]]);
  });
});

test.each([
  ['a session that is forgotten, with a place to go on from', 'session', true, []],
  ['a session that is forgotten, with a handler and no place', 'session', false, [{ to: '1.9' }]],
  ['an offset of another log in a session that goes on', 'offset', true, [{ from: '1.0', to: '1.9' }]],
  ['what a later server knows', 'another', false, []],
])('a gap is told only where something may be missing: %s', async (_what, code, hasPlace, expected) => {
  const bus = await startBus();
  const client = clientOf(bus);
  const gaps = new Seen<unknown>();
  client.onGap(gaps.add);
  bus.hides = !hasPlace;
  if (hasPlace) await client.subscribe('photo:1', () => {});
  else client.on('**', () => {});
  await client.publish('tick', {});
  bus.breakAll();
  await bus.until(() => bus.connects.length === 2);
  await client.publish('tick', {});

  bus.sockets[0]!.emit('resume.unknown', { code, reason: '…', to: '1.9' });
  bus.sockets[0]!.emit('resume.gap', { from: '1.1', to: 'end' });

  expect(await gaps.until((all) => all.length > expected.length)).toEqual([...expected, { from: '1.1', to: 'end' }]);
});

test('what is missing for the session and for `since` is one gap', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const gaps = new Seen<Gap>();
  client.onGap(gaps.add);
  await client.subscribe('photo:1', () => {});
  bus.breakAll();
  await bus.until(() => bus.connects.length === 2);
  await client.publish('tick', {});

  bus.sockets[0]!.emit('resume.unknown', { code: 'offset', reason: '…', to: '2.1' });
  bus.sockets[0]!.emit('resume.unknown', { code: 'since', reason: '…', to: '2.1' });
  bus.sockets[0]!.emit('resume.gap', { from: '2.1', to: 'end' });

  expect(await gaps.until((all) => all.at(-1)?.to === 'end')).toEqual([
    { from: '1.0', to: '2.1' },
    { from: '2.1', to: 'end' },
  ]);
});

test('a forgotten session costs nothing where the client only publishes', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const gaps = new Seen<unknown>();
  client.onGap(gaps.add);
  await client.publish('tick', {});

  bus.sockets[0]!.emit('resume.unknown', { code: 'session', reason: '…', to: '1.9' });
  await client.publish('tick', {}); // is answered behind it

  expect(gaps.things).toEqual([]);
});

test('after close every call is refused, nothing waits, and the server sees the end', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.publish('tick', {});
  bus.script('publish', 'silence');
  const waiting = rejection(client.publish('tick', {}));
  await bus.until(() => bus.sent('publish').length === 2);

  await client.close({ drainMs: 10 });

  expect((await waiting).code).toBe('closed');
  expect((await rejection(client.publish('tick', {}))).code).toBe('closed');
  expect((await rejection(client.subscribe('photo:1', () => {}))).code).toBe('closed');
  expect(client.state.status).toBe('closed');
  await bus.until(() => bus.sockets.length === 0);
});

test('a server that is no event bus is told as such', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  await client.publish('tick', {});
  bus.script('publish', { hello: 'world' }, 'silence');

  const error: EventBusError = await rejection(client.publish('tick', {}, { timeoutMs: 500 }));

  expect(error.message).toContain('is not of an event bus');
});

test('a path in the address is kept before /socket.io/', async () => {
  const client = createEventBus({ url: 'http://127.0.0.1:1/bus/', token: 't' });
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  client.on('**', () => {});

  await states.until((all) => all.some(({ error }) => error !== undefined));
  await client.close({ drainMs: 0 });

  expect(states.things.find(({ error }) => error)?.error?.message).toContain('http://127.0.0.1:1/bus cannot be reached');
});

test('an observer that throws or rejects is told by onError, and keeps nobody else from hearing', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);
  client.onState(() => Promise.reject(new Error('too late')));
  client.onState(() => {
    throw new Error('at once');
  });
  const states = new Seen<ConnectionState>();
  client.onState(states.add);

  await client.publish('tick', {});

  await states.until((all) => all.some(({ status }) => status === 'live'));
  const told = (await errors.until((all) => all.length >= 6)).map(({ code, message }) => `${code}: ${message}`);
  expect(new Set(told)).toEqual(new Set(['internal: A handler of onState failed: too late', 'internal: A handler of onState failed: at once']));
});

test('an onError handler that rejects ends nothing', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const failed = vi.spyOn(console, 'error').mockImplementation(() => {});
  afterwards(() => failed.mockRestore());
  client.onError(() => Promise.reject(new Error('also broken')));
  await client.subscribe('photo:1', () => Promise.reject(new Error('broken')));

  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });

  await expect.poll(() => failed.mock.calls.length).toBe(1);
  expect(String(failed.mock.calls[0]?.[1])).toContain('also broken');
});

test('a call in an onState handler at closed connects again', async () => {
  const bus = await startBus();
  bus.refusals = [{ code: 'forbidden', message: 'Not you.' }];
  const client = clientOf(bus);
  let again: Promise<unknown> | undefined;
  client.onState(({ status }) => {
    if (status === 'closed') again ??= client.subscribe('photo:1', () => {});
  });

  expect(await rejection(client.subscribe('photo:1', () => {}))).toMatchObject({ code: 'forbidden' });

  await again;
  expect(client.state.status).toBe('live');
});

test('a token function that fails is asked again, and what waits goes through', async () => {
  const bus = await startBus();
  let times = 0;
  const client = clientOf(bus, {
    token: () => {
      if (++times < 5) throw new Error('502 Bad Gateway');
      return 'a token';
    },
    timeoutMs: 20_000,
  });
  const errors: (string | undefined)[] = [];
  client.onState(({ error }) => errors.push(error && `${error.code}: ${error.message}`));

  expect(await client.publish('tick', {})).toMatchObject({ duplicate: false });

  expect(times).toBe(5);
  expect(errors).toContain('unavailable: The function `token` failed: 502 Bad Gateway.');
}, 25_000);

test.each([
  ['null', () => null, 'The function `token` gave null: nobody is signed in.'],
  ['a SignedOut', () => Promise.reject(new SignedOut('The session has ended.')), 'The session has ended.'],
])('%s for a token closes the client, which asks no more until it is used', async (_what, token, message) => {
  const bus = await startBus();
  let isSignedIn = false;
  let times = 0;
  const client = clientOf(bus, { token: () => (++times, isSignedIn ? 'a token' : token()) });

  const error = await rejection(client.publish('tick', {}));

  expect(error).toMatchObject({ code: 'signed_out', retry: 'never', message });
  expect(client.state).toMatchObject({ status: 'closed', error: { code: 'signed_out' } });
  expect([times, bus.connects]).toEqual([1, []]);
  isSignedIn = true;
  await client.publish('tick', {});
  expect(client.state.status).toBe('live');
});

test.each([
  ['nothing', undefined, 'undefined'],
  ['an empty string', '', '""'],
  ['an answer of fetch', { token: 'a token' }, 'an object'],
])('a token function that gives %s is told what it gave, and asked again', async (_what, given, named) => {
  const bus = await startBus();
  let times = 0;
  const client = clientOf(bus, { token: () => (++times > 1 ? 'a token' : (given as string)) });
  const states = new Seen<ConnectionState>();
  client.onState(states.add);

  await client.publish('tick', {});

  const errors = states.things.flatMap(({ error }) => (error === undefined ? [] : [error]));
  expect(errors[0]).toMatchObject({ code: 'unavailable', message: `The function \`token\` gave ${named}: give the JWT as a string, or null if nobody is signed in.` });
});

test('a token function that gives nothing is told by the state', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  afterwards(() => vi.useRealTimers());
  const bus = await startBus();
  let isAsked = false;
  const client = clientOf(bus, {
    token: () => {
      isAsked = true;
      return new Promise<string>(() => {});
    },
  });
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  client.on('tick', () => {});
  while (!isAsked) await new Promise((resolve) => setImmediate(resolve));

  vi.advanceTimersByTime(10_000);

  const all = await states.until((some) => some.some(({ error }) => error !== undefined));
  expect(all.at(-1)).toMatchObject({ status: 'connecting', error: { code: 'unavailable', message: 'The function `token` has given nothing for 10 s.' } });
});

test('the end of a client that was never used is told', async () => {
  const client = createEventBus({ url: 'http://127.0.0.1:1' });
  const states = new Seen<ConnectionState>();
  client.onState(states.add);

  await client.close();

  expect(states.things.map(({ status }) => status)).toEqual(['idle', 'closed']);
  expect(client.state).toEqual({ status: 'closed' });
});

test('what was lost with a connection that broke before it had named a place is told as a gap', async () => {
  const bus = await startBus({ recovery: false });
  bus.forAll = ['tick'];
  bus.hides = true; // `resume.done` is still on its way
  const client = clientOf(bus);
  const gaps = new Seen<Gap>();
  client.onGap(gaps.add);
  client.on('tick', () => {});
  await client.ready();
  bus.breakAll();
  await bus.until(() => bus.sockets.length === 0);
  bus.publish({ type: 'tick', data: {} });
  bus.hides = false;

  expect(await gaps.atLeast(1)).toEqual([{ to: '1.1' }]);
  bus.breakAll();
  await bus.until(() => bus.connects.length === 3);
  await client.publish('any', {});
  expect(gaps.things).toHaveLength(1); // it goes on from its place now
});
