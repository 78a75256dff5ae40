import { expect, test, vi } from 'vitest';

import { afterwards, clientOf, rejection, Seen, startBus } from '../test/support.js';
import type { AnyEvent, ConnectionState, EventBus, EventBusError, TokenContext, UntypedEvents } from './index.js';

type Event = AnyEvent<UntypedEvents>;

// --- one event after the other

test('a loop over the events of a topic gets each one after the other, and ends it when it is left', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const events = client.events('photo:1');
  await bus.until(() => bus.sent('subscribe').length === 1);
  for (let n = 0; n < 5; ++n) bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });

  const seen: string[] = [];
  for await (const { id } of events) {
    seen.push(id);
    if (seen.length === 3) break;
  }

  expect(seen).toEqual(['e1', 'e2', 'e3']);
  await bus.until(() => bus.sent('unsubscribe').length === 1);
  expect(bus.sent('unsubscribe')).toEqual([['photo:1']]);
});

test.each([
  ['was refused', 'forbidden', 'Not yours.'],
  ['has ended', 'forbidden', 'No longer shared.'],
])('a loop over a topic that %s throws why', async (what, code, message) => {
  const bus = await startBus();
  const client = clientOf(bus);
  if (what === 'was refused') bus.script('subscribe', { ok: false, error: { code, message } });
  else bus.script('subscribe', (socket) => socket.emit('watch.ended', { topic: 'photo:1', code, message }));

  expect(await rejection(client.events('photo:1').next())).toMatchObject({ code, message });
});

test('a loop ends when its client is closed, and throws when its signal is aborted', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const controller = new AbortController();
  const aborted = client.events('photo:1', { signal: controller.signal }).next();
  const closed = client.events('photo:2').next();
  await bus.until(() => bus.sent('subscribe').length === 2);

  controller.abort();
  await client.close();

  expect(await rejection(aborted)).toMatchObject({ code: 'aborted' });
  expect(await closed).toEqual({ done: true, value: undefined });
});

test("a group's event is acknowledged when the loop comes back, and given out again if it is left", async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  client.onError(() => {});
  const events = client.events('photo.uploaded');
  await bus.until(() => bus.sent('subscribe').length === 1);
  const first = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');

  await events.next();
  await client.publish('tick', {});
  expect(bus.sent('ack')).toEqual([]);
  await events.next();
  await bus.until(() => bus.sent('ack').length === 1);
  await events.return?.();
  await bus.until(() => bus.sent('nack').length === 1);

  expect(bus.sent('ack')).toEqual([[first]]);
});

test('what is asked for twice at once is answered in order, and a loop that is over leaves nothing behind', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  const events = client.events('photo:1', { signal });
  const both = Promise.all([events.next(), events.next()]);
  await bus.until(() => bus.sent('subscribe').length === 1);
  for (let n = 0; n < 2; ++n) bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  expect((await both).map(({ value }) => (value as Event).id)).toEqual(['e1', 'e2']);

  bus.sockets[0]!.emit('watch.ended', { topic: 'photo:1', code: 'forbidden', message: 'No longer shared.' });
  await rejection(events.next());
  client.on('photo.*', () => {}, { signal })();
  bus.script('subscribe', { ok: false, error: { code: 'forbidden', message: 'Not yours.' } });
  await rejection(client.events('photo:2', { signal }).next());

  expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length);
});

test('a loop over the events of a client that has been closed throws so', async () => {
  const client = clientOf(await startBus());
  await client.close();

  expect(await rejection(client.events('photo:1').next())).toMatchObject({ code: 'closed' });
});

test('a group loop that is left is no failure of a handler', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  client.onError(() => expect.unreachable());
  const events = client.events('photo.uploaded');
  await bus.until(() => bus.sent('subscribe').length === 1);
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');

  await events.next();
  await events.return?.();

  await bus.until(() => bus.sent('nack').length === 1);
});

// --- when it connects

test('nothing connects before connect() where autoConnect is false', async () => {
  const bus = await startBus();
  const client = clientOf(bus, { autoConnect: false });
  const seen = new Seen<Event>();
  const subscribed = client.subscribe('photo:1', seen.add);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect([client.state, bus.connects.length]).toEqual([{ status: 'idle' }, 0]);

  client.connect();

  expect((await subscribed).offset).toBe('1.0');
});

test('ready() resolves when the client is live, and rejects when it is late, aborted, refused or closed', async () => {
  const bus = await startBus();
  await clientOf(bus).ready();
  bus.refusals = [{ code: 'forbidden', message: 'Not here.' }];
  expect(await rejection(clientOf(bus).ready())).toMatchObject({ code: 'forbidden' });
  expect(await rejection(clientOf(bus).ready({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
  await bus.stop();
  const client = clientOf(bus);
  expect(await rejection(client.ready({ timeoutMs: 20 }))).toMatchObject({ code: 'timeout' });
  const waiting = rejection(client.ready());
  await client.close();
  expect(await waiting).toMatchObject({ code: 'closed' });
});

test('where autoConnect is false, a call after disconnect() connects as little as one before connect()', async () => {
  const bus = await startBus();
  const client = clientOf(bus, { autoConnect: false });
  await client.ready();
  client.disconnect();

  expect(await rejection(client.publish('tick', {}, { timeoutMs: 50 }))).toMatchObject({ code: 'timeout' });

  expect([client.state.status, bus.connects.length]).toEqual(['closed', 1]);
});

test('ready() says what has kept it from being live', async () => {
  const client = clientOf(await startBus());
  const waiting = rejection(client.ready());

  client.disconnect();

  expect(await waiting).toMatchObject({ code: 'closed', message: 'close() or disconnect() was called first.' });
});

test('what ready() rejects with is not told a second time', async () => {
  const bus = await startBus();
  bus.refusals = [{ code: 'forbidden', message: 'Not here.' }];
  const error = vi.fn();

  expect(await rejection(clientOf(bus, { logger: { warn: () => {}, error } }).ready())).toMatchObject({ code: 'forbidden' });

  expect(error).not.toHaveBeenCalled();
});

test('a ready() that waits does not count as somebody who hears of the state', async () => {
  const bus = await startBus();
  await bus.stop();
  const warn = vi.fn();
  const client = clientOf(bus, { logger: { warn, error: () => {} } });

  expect(await rejection(client.ready({ timeoutMs: 3_500 }))).toMatchObject({ code: 'timeout' });

  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('has not been reached for 3 s'));
});

test('disconnect() keeps what was subscribed for connect(), and reconnect() asks for a new token', async () => {
  const bus = await startBus();
  let tokens = 0;
  const client = clientOf(bus, { token: () => `token ${++tokens}` });
  const seen = new Seen<Event>();
  await client.subscribe('photo:1', seen.add);

  client.disconnect();
  expect(client.state).toEqual({ status: 'closed' });
  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  client.connect();
  expect((await seen.atLeast(1)).map(({ id }) => id)).toEqual(['e1']);
  await client.ready();
  client.reconnect();
  await client.ready();

  expect(bus.connects.map(({ token }) => token)).toEqual(['token 1', 'token 2', 'token 3']);
});

// --- a token that ends

async function expiring(bus: Awaited<ReturnType<typeof startBus>>, token: (context: TokenContext) => string | null): Promise<{ client: EventBus; states: Seen<ConnectionState> }> {
  const client = clientOf(bus, { token });
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  await client.ready();
  states.things.length = 0;
  bus.sockets[0]!.emit('token.expiring', { expiresInMs: 60_000 });
  return { client, states };
}

test('a token that ends soon is replaced in place', async () => {
  const bus = await startBus();
  const contexts: TokenContext[] = [];
  const { client, states } = await expiring(bus, (context) => `token ${contexts.push(context)}`);

  await bus.until(() => bus.sent('auth.refresh').length === 1);
  await client.publish('tick', {});

  expect(bus.connects).toMatchObject([{ refresh: true }]);
  expect(bus.sent('auth.refresh')).toEqual([[{ token: 'token 2' }]]);
  expect(contexts).toEqual([{}, { expiresInMs: expect.closeTo(60_000, -3) }]);
  expect(states.things).toEqual([]);
});

test('a renewal that fails is tried again, and one of another user connects anew', async () => {
  const bus = await startBus();
  let asked = 0;
  bus.script('auth.refresh', { ok: false, error: { code: 'token_expired', message: 'It has ended.' } }, { ok: false, error: { code: 'forbidden', message: 'Somebody else.' } });
  const refused = new Seen<string | undefined>();
  await expiring(bus, (context) => {
    refused.add(context.refused);
    if (++asked === 2) throw new Error('no network');
    return `token ${asked}`;
  });

  await bus.until(() => bus.connects.length === 2);

  expect(bus.sent('auth.refresh')).toEqual([[{ token: 'token 3' }], [{ token: 'token 4' }]]);
  expect(refused.things.slice(0, 4)).toEqual([undefined, undefined, undefined, 'token_expired']);
});

test('nobody to renew a token for closes the client', async () => {
  const bus = await startBus();
  let asked = 0;
  const { client } = await expiring(bus, () => (++asked === 1 ? 'a token' : null));

  await vi.waitFor(() => expect(client.state).toMatchObject({ status: 'closed', error: { code: 'signed_out' } }));
});

test('a renewal is one at a time, and its failure is told by the state', async () => {
  const bus = await startBus();
  bus.script('auth.refresh', 'silence');
  let asked = 0;
  const { client, states } = await expiring(bus, () => {
    if (++asked === 2) throw new Error('no network');
    return 'a token';
  });
  for (let n = 0; n < 100; ++n) bus.sockets[0]!.emit('token.expiring', { expiresInMs: 60_000 });

  await bus.until(() => bus.sent('auth.refresh').length === 1);
  await client.publish('tick', {});

  expect(states.things).toMatchObject([{ status: 'live', error: { message: expect.stringContaining('no network') } }]);
  expect(asked).toBe(3);
});

test.each([0, -5, 1e12])('a pause of %s ms is none that a server means', async (retryAfterMs) => {
  const bus = await startBus();
  const client = clientOf(bus);
  const refusal = { ok: false, error: { code: 'unavailable', message: 'Not now.', retryAfterMs } };
  bus.script('publish', ...Array(50).fill(refusal));

  expect(await rejection(client.publish('tick', {}, { timeoutMs: 200 }))).toMatchObject({ code: 'timeout' });

  expect(bus.sent('publish').length).toBeLessThan(5);
});

test('a subscription that the server cannot serve for now says why it was late', async () => {
  const bus = await startBus();
  bus.script('subscribe', { ok: false, error: { code: 'unavailable', message: 'The disk is full.' } });

  expect((await rejection(clientOf(bus).subscribe('photo:1', () => {}, { timeoutMs: 50 }))).message).toContain('The disk is full.');
});

// --- somebody else

test('when somebody else is signed in, nothing of the one is shown or published as the other, and the page is told', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);
  const ends = new Seen<EventBusError>();
  await client.subscribe('photo:1', () => expect.unreachable(), { onEnd: ends.add });
  await client.publish('tick', {}); // it has a place
  await bus.stop();
  const waiting = rejection(client.publish('of-the-first', {}));
  bus.principal = 'another hash';
  bus.publish({ type: 'photo.old', subject: 'photo:1', data: {} });

  await bus.listen();

  expect(await waiting).toMatchObject({ code: 'principal_changed' });
  expect(await ends.atLeast(1)).toMatchObject([{ code: 'principal_changed' }]);
  expect(await errors.atLeast(1)).toMatchObject([{ code: 'principal_changed', message: 'Somebody else is signed in than before.' }]);
  await client.publish('of-the-second', {});
  expect(bus.log.map(({ name }) => name)).not.toContain('of-the-first');
  expect(bus.connects.at(-1)).not.toHaveProperty('since');
  expect(bus.connects.at(-1)).not.toHaveProperty('principal');
});

test('looking at the page ends a pause, and breaks off no try', async () => {
  vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }));
  afterwards(() => vi.unstubAllGlobals());
  const bus = await startBus();
  const asked = new Seen<string>();
  let give: (token: string) => void = () => {};
  const client = clientOf(bus, { socketOptions: { reconnectionDelay: 20_000, reconnectionDelayMax: 20_000 }, token: () => new Promise((resolve) => (asked.add(''), (give = resolve))) });
  client.connect();
  await asked.atLeast(1);

  document.dispatchEvent(new Event('visibilitychange'));
  give('a token');
  await client.ready();
  expect(asked.things).toHaveLength(1);

  bus.breakAll();
  await bus.until(() => client.state.status === 'reconnecting');
  document.dispatchEvent(new Event('visibilitychange'));
  await asked.atLeast(2);
});

test('a cookie that has ended is tried again when somebody looks at the page or the network is back', async () => {
  const page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }));
  afterwards(() => vi.unstubAllGlobals());
  const bus = await startBus();
  const client = clientOf(bus, { token: undefined });
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);
  await client.subscribe('photo:1', () => {});
  for (const stir of [() => document.dispatchEvent(new Event('visibilitychange')), () => page.dispatchEvent(new Event('online'))]) {
    bus.refusals = [{ code: 'token_expired', message: 'It has ended.' }];
    bus.breakAll();
    await vi.waitFor(() => expect(client.state.status).toBe('closed'));
    stir();
    await client.ready();
  }

  expect(errors.things.map(({ code }) => code)).toEqual(['token_expired', 'token_expired']);
});

// --- the end

test('close() within a handler does not wait for it, and its event is acknowledged', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const closed = new Seen<string>();
  await client.subscribe('photo.uploaded', async () => {
    await Promise.resolve();
    await client.close();
    closed.add('closed');
  });

  const delivery = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await closed.atLeast(1);
  await bus.until(() => bus.sent('ack').length === 1 && bus.sockets.length === 0);

  expect(bus.sent('ack')).toEqual([[delivery]]);
});

test('handlers that each close the client do not wait for one another, and what they have published is stored', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const started = new Seen<unknown>();
  const closed = new Seen<number>();
  let goOn = () => {};
  const all = new Promise<void>((resolve) => (goOn = resolve));
  await client.subscribe('photo.uploaded', async (event) => {
    started.add(event);
    await all;
    void client.publish('photo.seen', {});
    await client.close();
    closed.add(bus.log.filter(({ name }) => name === 'photo.seen').length);
  });
  for (let n = 0; n < 3; ++n) bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await started.atLeast(3);

  goOn();
  expect(await closed.atLeast(3)).toEqual([3, 3, 3]);
  await bus.until(() => bus.sent('ack').length === 3);
});

test('close() in what a handler has left behind waits as anywhere else', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const closed = new Seen<number>();
  await client.subscribe('photo:1', () => {
    setTimeout(async () => {
      for (let n = 0; n < 100; ++n) void client.publish('photo.seen', {});
      await client.close();
      closed.add(bus.log.filter(({ name }) => name === 'photo.seen').length);
    }, 5);
  });

  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });

  expect(await closed.atLeast(1)).toEqual([100]);
});

test('close() waits for every running handler, and what it publishes goes through', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const started = new Seen<unknown>();
  let goOn = () => {};
  await client.subscribe('photo:1', async (event) => {
    started.add(event);
    await new Promise<void>((resolve) => (goOn = resolve));
    await client.publish('photo.seen', {});
  });
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  await started.atLeast(1);

  const closed = client.close();
  bus.publish({ type: 'photo.late', subject: 'photo:1', data: {} });
  await new Promise((resolve) => setTimeout(resolve, 20));
  goOn();
  await closed;

  expect(bus.log.map(({ name }) => name)).toContain('photo.seen');
  expect(started.things).toHaveLength(1);
});

// --- how long a publish may take

test('a publish may not take longer than the server knows its id', async () => {
  const bus = await startBus();
  bus.dedupeWindowMs = 50;
  const client = clientOf(bus);
  const early = rejection(client.publish('tick', {}, { timeoutMs: 60_000, id: 'early' }));
  expect(await early).toMatchObject({ code: 'bad_request', ids: ['early'], message: expect.stringContaining('dedupe_window') });
  expect(bus.sent('publish')).toEqual([]); // and is not stored all the same
  expect(await rejection(client.publish('tick', {}, { timeoutMs: 60_000 }))).toMatchObject({ code: 'bad_request' });
  await client.publish('tick', {});
  bus.script('publish', 'silence');
  expect(await rejection(client.publish('tick', {}, { timeoutMs: Infinity, id: 'endless' }))).toMatchObject({ code: 'timeout', ids: ['endless'] });
});
