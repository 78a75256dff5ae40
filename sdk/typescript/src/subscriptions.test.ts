import { expect, test, vi } from 'vitest';

import type { ScriptedBus, Stored } from '../test/scripted-bus.js';
import { afterwards, clientOf, rejection, Seen, startBus } from '../test/support.js';
import type { AnyEvent, EventBus, EventBusError, UntypedEvents } from './index.js';

type Event = AnyEvent<UntypedEvents>;

const kPhoto = 'photo:123';

async function subscribed(bus: ScriptedBus, topic = kPhoto): Promise<{ client: EventBus; seen: Seen<Event> }> {
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  await client.subscribe(topic, seen.add);
  return { client, seen };
}

// npm's server knows a session again only if the client has seen an event.
async function lose(bus: ScriptedBus, client: EventBus): Promise<void> {
  const any = new Seen<Event>();
  const off = client.on('**', any.add);
  bus.show(bus.publish({ type: 'any', data: {} }));
  await any.atLeast(1);
  off();
  bus.breakAll();
  await bus.until(() => bus.sockets.length === 0);
}

function idsOf(events: readonly Event[]): string[] {
  return events.map(({ id }) => id);
}

test('a subject is asked for by name, and its events arrive', async () => {
  const bus = await startBus();
  const { seen } = await subscribed(bus);

  bus.publish({ type: 'photo.processing.started', subject: kPhoto, data: { photoId: '123' }, emit: 'photo:processing.started' });

  const [event] = await seen.atLeast(1);
  expect(bus.sent('subscribe')).toEqual([[kPhoto, {}]]);
  expect(event).toEqual({
    id: 'e1',
    type: 'photo.processing.started',
    source: 'service:test',
    subject: kPhoto,
    time: '2026-01-01T00:00:00Z',
    offset: '1.1',
    photoId: '123',
    data: { photoId: '123' },
  });
});

test('attributes win over fields of the same name, absent attributes too', async () => {
  const bus = await startBus();
  const { seen } = await subscribed(bus, 'photo.*');
  const data = { id: 7, type: 'x', subject: 'photo:999', traceparent: 't', data: 'd', name: 'n' };

  bus.publish({ type: 'photo.named', data });

  const [event] = await seen.atLeast(1);
  expect(event).toMatchObject({ id: 'e1', type: 'photo.named', name: 'n', data });
  expect(event).not.toHaveProperty('subject');
  expect(event).not.toHaveProperty('traceparent');
});

test('a handler gets the events of its own topic only', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus);
  const others = new Seen<Event>();
  await client.subscribe('photo:4', others.add);

  bus.publish({ type: 'photo.a', subject: 'photo:4', data: {} });
  bus.publish({ type: 'photo.b', subject: kPhoto, data: {} });

  expect(idsOf(await seen.atLeast(1))).toEqual(['e2']);
  expect(idsOf(others.things)).toEqual(['e1']);
});

test.each([
  ['forbidden', { code: 'forbidden', message: 'Not yours.' }],
  ['bad_topic', { code: 'bad_topic', message: 'Write it as kind:id.' }],
])('a refused subscription rejects with %s and is not asked for again', async (code, error) => {
  const bus = await startBus();
  bus.script('subscribe', { ok: false, error });
  const client = clientOf(bus);

  expect(await rejection(client.subscribe(kPhoto, () => {}))).toMatchObject({ code, message: error.message });
  bus.breakAll();
  await bus.until(() => bus.connects.length === 2);
  await client.publish('tick', {});

  expect(bus.sent('subscribe')).toHaveLength(1);
});

test('a refusal that passes is asked again', async () => {
  const bus = await startBus();
  bus.script('subscribe', { ok: false, error: { code: 'unavailable', message: 'starting', retryAfterMs: 5 } });

  await subscribed(bus);

  expect(bus.sent('subscribe')).toHaveLength(2);
});

test('a handler of a topic that the server cannot serve for now is told why it was late, also if it came after the refusal', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const refusal = { ok: false, error: { code: 'too_many', message: 'service:api has as many groups as it may (groups_per_service_max 100).' } };
  bus.script('subscribe', refusal, refusal);
  const first = rejection(client.subscribe('photo.*', () => {}, { timeoutMs: 200 }));
  await bus.until(() => bus.sent('subscribe').length === 1);
  await client.publish('tick', {}); // the refusal has come

  const second = rejection(client.subscribe('photo.*', () => {}, { timeoutMs: 50 }));

  for (const error of await Promise.all([first, second])) {
    expect(error).toMatchObject({ code: 'timeout', topic: 'photo.*', message: expect.stringContaining('groups_per_service_max 100'), cause: { code: 'too_many' } });
  }
});

test('a subscription that is not answered in time rejects and calls no handler', async () => {
  const bus = await startBus();
  bus.script('subscribe', 'silence');
  const client = clientOf(bus);
  await client.publish('tick', {}); // connected: the time is the answer's alone

  const error = await rejection(client.subscribe(kPhoto, () => expect.unreachable(), { timeoutMs: 50 }));

  expect(error.code).toBe('timeout');
  await bus.until(() => bus.sent('unsubscribe').length === 1);
});

test('an event that comes twice is handled once, and the same id of another source is another event', async () => {
  const bus = await startBus();
  const { seen } = await subscribed(bus);

  const first = bus.publish({ type: 'photo.a', subject: kPhoto, data: {}, id: 'x', source: 'service:one' });
  bus.show(first);
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {}, id: 'x', source: 'service:two' });
  bus.show(first);
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {}, id: 'end' });

  const events = await seen.until((all) => all.at(-1)?.id === 'end');
  expect(events.map(({ source, id }) => `${source} ${id}`)).toEqual(['service:one x', 'service:two x', 'service:test end']);
});

test('two handlers of one topic that are asked for at once share one request, and both get each event', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const seen = new Seen<string>();
  await Promise.all(['first', 'second'].map((name) => client.subscribe(kPhoto, ({ id }) => seen.add(`${name} ${id}`))));

  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });

  expect(await seen.atLeast(2)).toEqual(['first e1', 'second e1']);
  expect(bus.sent('subscribe')).toHaveLength(1);
});

test('a later handler of a topic has an offset of its own, and is not confirmed while there is no connection', async () => {
  const bus = await startBus();
  const { client } = await subscribed(bus);
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });

  expect((await client.subscribe(kPhoto, () => {})).offset).toBe('1.1');
  await bus.stop();
  expect(await rejection(client.subscribe(kPhoto, () => {}, { timeoutMs: 20 }))).toMatchObject({ code: 'timeout' });
});

test('two handlers of one topic that are asked for at once each get the history that they asked for', async () => {
  const bus = await startBus();
  for (let n = 0; n < 3; ++n) bus.publish({ type: 'photo.old', subject: kPhoto, data: {} });
  const client = clientOf(bus);
  const seen = new Seen<string>();
  await Promise.all(['1.1', '1.2'].map((since) => client.subscribe(kPhoto, ({ id }) => seen.add(`since ${since}: ${id}`), { since })));

  expect((await seen.atLeast(3)).sort()).toEqual(['since 1.1: e2', 'since 1.1: e3', 'since 1.2: e3']);
});

test('what comes in order before a history was confirmed is handled behind it', async () => {
  const bus = await startBus();
  bus.publish({ type: 'photo.old', subject: kPhoto, data: {} });
  const { client, seen: live } = await subscribed(bus);
  bus.script('subscribe', 'silence');
  const seen = new Seen<Event>();
  const waiting = client.subscribe(kPhoto, seen.add, { since: '1.0' });
  await bus.until(() => bus.sent('subscribe').length === 2);

  bus.publish({ type: 'photo.new', subject: kPhoto, data: {} });
  await live.atLeast(1);
  bus.breakAll();
  await waiting;
  bus.publish({ type: 'photo.newer', subject: kPhoto, data: {} });

  expect(idsOf(await seen.atLeast(3))).toEqual(['e1', 'e2', 'e3']);
});

test('a history that a lost session had not brought to its end goes on where it was', async () => {
  const bus = await startBus();
  for (let n = 0; n < 3; ++n) bus.publish({ type: 'photo.old', subject: kPhoto, data: {} });
  const [first] = bus.log as [Stored];
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  const others = new Seen<Event>();
  await client.subscribe('photo:4', others.add);
  bus.script('subscribe', { ok: true, topic: kPhoto, offset: '1.0' });
  await client.subscribe(kPhoto, seen.add, { since: '1.0' });
  bus.showHistory(first);
  bus.publish({ type: 'photo.a', subject: 'photo:4', data: {} }); // the last place is behind the history
  await others.atLeast(1);

  await bus.stop();
  await bus.listen();

  expect(idsOf(await seen.atLeast(3))).toEqual(['e1', 'e2', 'e3']);
});

test.each([
  ['more than the server reads', 1_030, 'photo:'],
  ['more bytes than it takes', 300, `photo:${'\u0001'.repeat(40)}`],
])('of %s a CONNECT lists as many as it may, and the others are asked for', async (_what, count, prefix) => {
  const bus = await startBus();
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  await Promise.all(Array.from({ length: count }, (_, n) => client.subscribe(`${prefix}${n}`, seen.add)));
  await bus.stop();
  bus.publish({ type: 'photo.a', subject: `${prefix}0`, data: {} });
  bus.publish({ type: 'photo.a', subject: `${prefix}${count - 1}`, data: {} });

  await bus.listen();

  expect(idsOf(await seen.atLeast(2)).sort()).toEqual(['e1', 'e2']);
  expect((bus.connects[1] as { topics: string[] }).topics.length).toBeLessThan(1_001);
  expect(JSON.stringify(bus.connects[1]).length).toBeLessThan(100_000);
});

test('a history that has come a part of its way goes on in a session of its own', async () => {
  const bus = await startBus({ recovery: true });
  for (let n = 0; n < 3; ++n) bus.publish({ type: 'photo.old', subject: kPhoto, data: {} });
  const [first] = bus.log as [Stored];
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  bus.script('subscribe', { ok: true, topic: kPhoto, offset: '1.0' });
  await client.subscribe(kPhoto, seen.add, { since: '1.0' });
  bus.showHistory(first);
  await seen.atLeast(1);

  bus.breakAll();

  expect(idsOf(await seen.atLeast(3))).toEqual(['e1', 'e2', 'e3']);
  expect(bus.connects[1]).not.toHaveProperty('pid');
  expect(bus.sent('subscribe').at(-1)).toEqual([kPhoto, { since: '1.1' }]);
});

test.each([[4, 4], [5_000, 1_000]])('a group is asked for as many events as its handler takes at once, %i, within what the server gives: %i', async (concurrency, asked) => {
  const bus = await startBus();

  await clientOf(bus).subscribe('photo.*', () => {}, { concurrency });

  expect(bus.sent('subscribe')).toEqual([['photo.*', { max_in_flight: asked }]]);
});

test("a group's handler with concurrency 1 is given one event after the other, whatever is in flight", async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  let running = 0;
  let most = 0;
  const handler = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    --running;
  };
  await client.subscribe('photo.uploaded', handler, { concurrency: 1, maxInFlight: 8 });

  for (let n = 0; n < 5; ++n) bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await bus.until(() => bus.sent('ack').length === 5);

  expect(most).toBe(1);
});

test('a handler with concurrency 1 is given one event after the other, and what it cannot keep is asked for again', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const seen = new Seen<string>();
  let running = 0;
  let most = 0;
  let begin = () => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const handler = async ({ id }: Event) => {
    most = Math.max(most, ++running);
    await begun;
    --running;
    seen.add(id);
  };
  await client.subscribe(kPhoto, handler, { concurrency: 1 });
  const count = 2_500;
  for (let n = 0; n < count; ++n) bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  await client.publish('tick', {}); // is answered behind them
  begin();

  expect(await seen.atLeast(count)).toEqual(Array.from({ length: count }, (_, n) => `e${n + 1}`));
  expect(most).toBe(1);
  expect(bus.sent('subscribe')[1]).toEqual([kPhoto, { since: '1.1001' }]);
});

test('since brings what happened before, to the handler that asks', async () => {
  const bus = await startBus();
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  bus.publish({ type: 'photo.b', subject: kPhoto, data: {} });
  const client = clientOf(bus);
  const seen = new Seen<Event>();

  await client.subscribe(kPhoto, seen.add, { since: '1.1' });

  expect(idsOf(await seen.atLeast(1))).toEqual(['e2']);
  expect(bus.sent('subscribe')).toEqual([[kPhoto, { since: '1.1' }]]);
});

test('after a drop everything is asked for again from the last place, and nothing is lost or repeated', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus);
  await client.subscribe('audit.**', seen.add, { group: null });
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  await seen.atLeast(1);

  await bus.stop();
  bus.publish({ type: 'photo.b', subject: kPhoto, data: {} });
  bus.publish({ type: 'audit.login', data: {} });
  await bus.listen();
  const events = await seen.atLeast(3);
  bus.publish({ type: 'photo.c', subject: kPhoto, data: {} });
  await seen.atLeast(4);

  await bus.until(() => bus.sent('subscribe').length === 4);

  expect(idsOf(events)).toEqual(['e1', 'e2', 'e3', 'e4']);
  expect(bus.connects[1]).toMatchObject({ since: '1.1', topics: [kPhoto, 'audit.**'] });
  expect(bus.sent('subscribe').slice(2)).toEqual([[kPhoto, {}], ['audit.**', { group: null }]]); // CONNECT's since covers them
});

test('a client that saw no event goes on from where it subscribed', async () => {
  const bus = await startBus();
  bus.publish({ type: 'photo.old', subject: kPhoto, data: {} });
  const { seen } = await subscribed(bus);

  await bus.stop();
  bus.publish({ type: 'photo.new', subject: kPhoto, data: {} });
  await bus.listen();

  expect(idsOf(await seen.atLeast(1))).toEqual(['e2']);
  expect(bus.connects[1]).toMatchObject({ since: '1.1' });
});

test('a subscription that is younger than the last place goes on from its own beginning', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus);
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  await seen.atLeast(1);
  bus.publish({ type: 'audit.old', data: {} });
  const audits = new Seen<Event>();
  await client.subscribe('audit.*', audits.add, { group: null });

  await bus.stop();
  bus.publish({ type: 'audit.new', data: {} });
  await bus.listen();

  expect(idsOf(await audits.atLeast(1))).toEqual(['e3']);
  expect(bus.connects[1]).toMatchObject({ since: '1.1', topics: [kPhoto, 'audit.*'] }); // what lies before 1.2 is none of it
});

test('a history whose place is of another log goes on from now, and the gap is told', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus);
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  await seen.atLeast(1);
  bus.publish({ type: 'audit.old', data: {} });
  const audits = new Seen<Event>();
  await client.subscribe('audit.*', audits.add, { group: null, since: '1.1' });
  await audits.atLeast(1); // and nothing that says that its history ends with it
  const gaps = new Seen<unknown>();
  client.onGap(gaps.add);
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);

  await bus.stop();
  bus.replaceLog();
  await bus.listen();
  await gaps.atLeast(2);
  bus.publish({ type: 'audit.new', data: {}, id: 'new' });

  expect(idsOf(await audits.atLeast(2))).toEqual(['e2', 'new']);
  expect(gaps.things).toEqual([
    { from: '1.1', to: '2.0' },
    { from: '1.2', to: '2.0' },
  ]);
  expect(errors.things).toEqual([]);
});

test('a place of another log that the application gave is refused to it', async () => {
  const bus = await startBus();
  bus.replaceLog();
  const client = clientOf(bus);

  expect(await rejection(client.subscribe(kPhoto, () => {}, { since: '1.1' }))).toMatchObject({ code: 'bad_offset', retry: 'never', topic: kPhoto });
  expect(bus.sent('subscribe')).toHaveLength(1);
});

test('a subscription made while offline begins at its confirmation, not at the last place', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus);
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  await seen.atLeast(1);
  await bus.stop();
  bus.publish({ type: 'photo.missed', subject: 'photo:4', data: {} });
  const fresh = new Seen<Event>();
  const second = client.subscribe('photo:4', fresh.add);

  await bus.listen();
  await second;
  bus.publish({ type: 'photo.b', subject: 'photo:4', data: {} });

  expect(idsOf(await fresh.atLeast(1))).toEqual(['e3']);
});

test('what a session sends again from before a subscription is not its', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus);
  const old = bus.publish({ type: 'photo.renamed', subject: kPhoto, data: {} });
  await seen.atLeast(1);
  const younger = new Seen<Event>();
  const { offset } = await client.subscribe(kPhoto, younger.add);
  expect(offset).toBe(old.meta.offset);

  bus.show(old);
  bus.publish({ type: 'photo.renamed', subject: kPhoto, data: {} });

  expect(idsOf(await younger.atLeast(1))).toEqual(['e2']);
});

test('a session that the server still knows is not asked for again', async () => {
  const bus = await startBus({ recovery: true });
  const { client } = await subscribed(bus);
  await lose(bus, client);

  await client.publish('tick', {}); // comes after everything that the reconnect sends

  expect(bus.sent('subscribe')).toHaveLength(1);
});

test.each([
  ['an event of another room', (bus: ScriptedBus) => bus.show(bus.publish({ type: 'tick', data: {} }))],
  ['nothing', () => {}],
])('a new session that had %s before it answered is asked again, over any drops', async (_what, comes) => {
  const bus = await startBus({ recovery: true });
  const client = clientOf(bus);
  const ticks = new Seen<Event>();
  client.on('tick', ticks.add);
  await client.publish('any', {});
  bus.show(bus.publish({ type: 'tick', data: {} })); // the last place, 1.2, is not where the subscription begins
  await ticks.atLeast(1);
  bus.publish({ type: 'audit.old', data: {} });
  const seen = new Seen<Event>();
  await client.subscribe(kPhoto, seen.add);
  bus.script('subscribe', 'silence', 'silence');
  await bus.stop();
  bus.publish({ type: 'photo.missed', subject: kPhoto, data: {} });
  await bus.listen();

  for (const drops of [1, 2]) {
    await client.publish('asked', {}); // comes after everything that the reconnect sends
    comes(bus);
    await client.publish('came', {});
    expect(bus.sent('subscribe')).toHaveLength(1 + drops);
    bus.breakAll();
    await bus.until(() => bus.sockets.length === 0);
  }

  await bus.until(() => bus.sent('subscribe').length === 4);
  expect(idsOf(seen.things)).toEqual(['e4']);
  expect(bus.sent('subscribe').slice(1)).toEqual(Array(3).fill([kPhoto, {}]));
  expect(bus.connects[1]).toMatchObject({ topics: [kPhoto] });
  bus.breakAll();
  await bus.until(() => bus.sockets.length === 0);
  await client.publish('again', {});
  expect(bus.sent('subscribe')).toHaveLength(4); // now that session has it
});

test('a subscription made while offline is confirmed when the connection is back', async () => {
  const bus = await startBus({ recovery: true });
  const { client } = await subscribed(bus);
  await lose(bus, client);

  const second = await client.subscribe('photo:4', () => {});

  expect(second.topic).toBe('photo:4');
  expect(bus.sent('subscribe').map(([topic]) => topic)).toEqual([kPhoto, 'photo:4']);
});

test('a handler that was taken off is not called, and the server is told by the last one', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const never = () => expect.unreachable();
  const kept = new Seen<Event>();
  const first = await client.subscribe(kPhoto, never);
  const second = await client.subscribe(kPhoto, kept.add);

  await first.unsubscribe();
  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });
  await kept.atLeast(1);
  expect(bus.sent('unsubscribe')).toEqual([]);

  await second.unsubscribe();
  await second.unsubscribe();
  expect(bus.sent('unsubscribe')).toEqual([[kPhoto]]);
});

test('what was unsubscribed while offline is taken out of the recovered session', async () => {
  const bus = await startBus({ recovery: true });
  const client = clientOf(bus);
  const subscription = await client.subscribe(kPhoto, () => {});
  await lose(bus, client);

  await subscription.unsubscribe();

  await bus.until(() => bus.sent('unsubscribe').length === 1);
});

test('an unsubscribe that could not be served is tried again', async () => {
  const bus = await startBus({ recovery: true });
  const client = clientOf(bus);
  const subscription = await client.subscribe(kPhoto, () => {});
  bus.script('unsubscribe', { ok: false, error: { code: 'unavailable', message: 'The disk is full.', retryAfterMs: 1 } });

  await subscription.unsubscribe();

  await bus.until(() => bus.sent('unsubscribe').length === 2);
});

test('what was taken off and asked for again while offline stays', async () => {
  const bus = await startBus({ recovery: true });
  const client = clientOf(bus);
  const subscription = await client.subscribe(kPhoto, () => {});
  await lose(bus, client);

  await subscription.unsubscribe();
  await client.subscribe(kPhoto, () => {});
  await client.publish('tick', {});

  expect(bus.sent('unsubscribe')).toEqual([]);
});

test('what the server never heard of is not unsubscribed', async () => {
  const bus = await startBus({ recovery: true });
  const { client } = await subscribed(bus);
  await lose(bus, client);

  await rejection(client.subscribe('photo:4', () => {}, { signal: AbortSignal.abort() }));
  const controller = new AbortController();
  const aborted = rejection(client.subscribe('photo:5', () => {}, { signal: controller.signal }));
  controller.abort();
  await aborted;
  await client.publish('tick', {});

  expect(bus.sent('unsubscribe')).toEqual([]);
});

test('a signal takes the handler off, before and after the confirmation', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const early = new AbortController();
  const late = new AbortController();

  bus.script('subscribe', 'silence');
  const waiting = rejection(client.subscribe('photo:1', () => {}, { signal: early.signal }));
  await bus.until(() => bus.sent('subscribe').length === 1);
  early.abort();
  await client.subscribe('photo:2', () => {}, { signal: late.signal });
  late.abort();

  expect((await waiting).code).toBe('aborted');
  await bus.until(() => bus.sent('unsubscribe').length === 2);
  expect(bus.sent('unsubscribe')).toEqual([['photo:1'], ['photo:2']]);
});

test('a watch that the server ends tells its handler why, and stays ended', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const ends = new Seen<EventBusError>();
  await client.subscribe(kPhoto, () => {}, { onEnd: ends.add });

  bus.sockets[0]!.emit('watch.ended', { topic: kPhoto, code: 'forbidden', message: 'No longer shared.' });

  expect(await ends.atLeast(1)).toMatchObject([{ code: 'forbidden', message: 'No longer shared.' }]);
  bus.breakAll();
  await bus.until(() => bus.connects.length === 2);
  await client.publish('tick', {});
  expect(bus.sent('subscribe')).toHaveLength(1);
});

test('a watch that ends in the same read as it was confirmed tells its handler', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const ends = new Seen<EventBusError>();
  bus.script('subscribe', (socket) => socket.emit('watch.ended', { topic: kPhoto, code: 'forbidden', message: 'No longer shared.' }));

  await client.subscribe(kPhoto, () => {}, { onEnd: ends.add });

  expect(await ends.atLeast(1)).toMatchObject([{ code: 'forbidden' }]);
});

test('an end that is told again does not reject a subscription that was asked for since', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  bus.script('subscribe', 'silence');
  const waiting = client.subscribe(kPhoto, seen.add);
  await bus.until(() => bus.sent('subscribe').length === 1);

  bus.sockets[0]!.emit('watch.ended', { topic: kPhoto, code: 'forbidden', message: 'No longer shared.' });
  bus.breakAll();

  await waiting;
  bus.publish({ type: 'photo.named', subject: kPhoto, data: {} });
  expect(idsOf(await seen.atLeast(1))).toEqual(['e1']);
});

test('a watch that ends without onEnd is told by onError', async () => {
  const bus = await startBus();
  const { client } = await subscribed(bus);
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);

  bus.sockets[0]!.emit('watch.ended', { topic: kPhoto, code: 'forbidden', message: 'No longer shared.' });

  expect(await errors.atLeast(1)).toMatchObject([{ code: 'forbidden' }]);
});

test('a handler that throws or rejects is reported, and the others go on', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const errors = new Seen<EventBusError>();
  const seen = new Seen<Event>();
  client.onError(errors.add);
  await client.subscribe(kPhoto, () => {
    throw new Error('thrown');
  });
  await client.subscribe(kPhoto, () => Promise.reject(new Error('rejected')));
  await client.subscribe(kPhoto, seen.add);

  bus.publish({ type: 'photo.a', subject: kPhoto, data: {} });

  await seen.atLeast(1);
  expect(await errors.atLeast(2)).toMatchObject([{ message: `A handler of ${kPhoto} failed: thrown`, topic: kPhoto }, { message: `A handler of ${kPhoto} failed: rejected`, topic: kPhoto }]);
});

test('on() hears what arrives anyway and asks the server for nothing', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  const off = client.on('photo.*', seen.add);
  const all = new Seen<Event>();
  client.on('**', all.add);
  await client.publish('tick', {}); // the client is connected

  bus.show(bus.publish({ type: 'photo.uploaded', data: {} }));
  await seen.atLeast(1);
  off();
  bus.show(bus.publish({ type: 'photo.deleted', data: {} }));
  await all.atLeast(2);

  expect(seen.things).toHaveLength(1);
  expect(bus.sent('subscribe')).toEqual([]);
});

test('an aborted signal takes a handler of on() off', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const controller = new AbortController();
  const all = new Seen<Event>();
  client.on('photo.*', () => expect.unreachable(), { signal: controller.signal });
  client.on('photo.*', () => expect.unreachable(), { signal: AbortSignal.abort() });
  client.on('**', all.add);
  await client.publish('tick', {}); // the client is connected

  controller.abort();
  bus.show(bus.publish({ type: 'photo.uploaded', data: {} }));
  await all.atLeast(1);
});

test('garbage from the wire calls no handler', async () => {
  const bus = await startBus();
  const { client, seen } = await subscribed(bus, '**');
  client.on('**', seen.add);

  for (const args of [[], [null, null, null], [{}, {}, '1.1'], [{}, { id: 1, type: 'a', source: 's' }, '1.1'], ['x', 'y', 'z'], [{}, { id: 'a', type: 'b' }]]) {
    bus.sockets[0]!.emit('photo.a', ...args);
    bus.sockets[0]!.emit('watch.ended', ...args);
    bus.sockets[0]!.emit('resume.gap', ...args);
    bus.sockets[0]!.emit('resume.unknown', ...args);
  }
  await client.publish('end', {});

  expect((await seen.atLeast(1)).map(({ type }) => type)).toEqual(['end', 'end']);
});

test("what comes in the same read as a type pattern's answer is its handler's: what it had missed, and what is live", async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  bus.publish({ type: 'photo.old', data: {} });
  bus.publish({ type: 'photo.missed', data: {} });
  bus.script('subscribe', () => bus.publish({ type: 'photo.live', data: {} }));

  await client.subscribe('photo.*', seen.add, { since: '1.1' });
  await client.publish('photo.last', {});

  expect(idsOf((await seen.atLeast(1)).slice(0, 2))).toEqual(['e2', 'e3']);
});

// --- groups

async function member(bus: ScriptedBus, handler: (event: Event, delivery: unknown) => unknown): Promise<EventBus> {
  bus.group = 'worker';
  const client = clientOf(bus);
  await client.subscribe('photo.uploaded', handler);
  return client;
}

test('the default group of a service is told by the subscription', async () => {
  const bus = await startBus();
  bus.group = 'worker';

  const subscription = await clientOf(bus).subscribe('photo.uploaded', () => {}, { maxInFlight: 4 });

  expect(subscription.group).toBe('worker');
  expect(bus.sent('subscribe')).toEqual([['photo.uploaded', { max_in_flight: 4 }]]);
});

test("a group's event is acknowledged when the handler's promise resolves, not before", async () => {
  const bus = await startBus();
  let finish = () => {};
  const deliveries = new Seen<unknown>();
  const client = await member(bus, (_event, delivery) => {
    deliveries.add(delivery);
    return new Promise<void>((resolve) => (finish = resolve));
  });

  const delivery = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded', 2);
  expect(await deliveries.atLeast(1)).toEqual([{ group: 'worker', attempt: 2 }]);
  await client.publish('tick', {});
  expect(bus.sent('ack')).toEqual([]);
  finish();

  await bus.until(() => bus.sent('ack').length === 1);
  expect(bus.sent('ack')).toEqual([[delivery]]);
});

test("a group's event is given back with the reason when the handler rejects", async () => {
  const bus = await startBus();
  const client = await member(bus, async () => {
    throw new Error('no disk');
  });
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);

  const delivery = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');

  await bus.until(() => bus.sent('nack').length === 1);
  expect(bus.sent('nack')).toEqual([[delivery, { reason: 'no disk' }]]);
  expect(errors.things).toMatchObject([{ message: 'A handler of photo.uploaded failed: no disk' }]);
});

test.each([
  ['an Error whose message is an object', Object.assign(new Error(), { message: { code: 7 } }), '[object Object]'],
  ['what has no words', Object.create(null), 'It cannot be said in words.'],
  ['half of an emoji at the end of what is sent', new Error(`${'x'.repeat(499)}😀`), `${'x'.repeat(499)}😀`],
  ['half of an emoji', new Error('\ud83d'), '\ufffd'],
])("a group's event is given back when the handler throws %s", async (_what, thrown, reason) => {
  const bus = await startBus();
  const client = await member(bus, () => Promise.reject(thrown));
  client.onError(() => {});

  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');

  await bus.until(() => bus.sent('nack').length === 1);
  expect(bus.sent('nack')[0]?.[1]).toEqual({ reason });
});

test("a group's event that is given again is handled again", async () => {
  const bus = await startBus();
  const seen = new Seen<Event>();
  await member(bus, seen.add);

  const stored = bus.publish({ type: 'photo.uploaded', data: {} });
  bus.deliver(stored, 'worker', 'photo.uploaded');
  await bus.until(() => bus.sent('ack').length === 1);
  bus.deliver(stored, 'worker', 'photo.uploaded', 2);

  expect(idsOf(await seen.atLeast(2))).toEqual(['e1', 'e1']);
});

test("a group's event that is given again while it is handled is handled once, and the newest delivery is answered", async () => {
  const bus = await startBus();
  const seen = new Seen<Event>();
  const finish: (() => void)[] = [];
  await member(bus, (event) => {
    seen.add(event);
    return new Promise<void>((resolve) => finish.push(resolve));
  });
  const stored = bus.publish({ type: 'photo.uploaded', data: {} });
  bus.deliver(stored, 'worker', 'photo.uploaded');
  await seen.atLeast(1);

  await bus.stop();
  await bus.listen();
  await bus.until(() => bus.sent('subscribe').length === 2);
  const newest = bus.deliver(stored, 'worker', 'photo.uploaded', 2);
  const other = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await seen.atLeast(2); // the other, so the newest delivery has come
  for (const resolve of finish) resolve();
  await bus.until(() => bus.sent('ack').length === 2);

  expect(idsOf(seen.things)).toEqual(['e1', 'e2']);
  expect(bus.sent('ack').flat().sort()).toEqual([newest, other].sort());
});

test('a handler that never settles keeps its event only for a while', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  afterwards(() => vi.useRealTimers());
  const bus = await startBus();
  const seen = new Seen<Event>();
  const client = await member(bus, (event) => (seen.add(event), seen.things.length === 1 ? new Promise<void>(() => {}) : undefined));
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);
  const stored = bus.publish({ type: 'photo.uploaded', data: {} });
  bus.deliver(stored, 'worker', 'photo.uploaded');
  await seen.atLeast(1);

  vi.advanceTimersByTime(300_000);
  const second = bus.deliver(stored, 'worker', 'photo.uploaded', 2);
  await bus.until(() => bus.sent('ack').length === 1);

  expect(bus.sent('ack')).toEqual([[second]]);
  expect((await errors.atLeast(1)).map(({ code }) => code)).toEqual(['timeout']);
});

test('an event that two topics of one group name cover is handled for each of them', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const seen = new Seen<string>();
  let finish = () => {};
  await client.subscribe('photo.uploaded', () => (seen.add('photo.uploaded'), new Promise<void>((resolve) => (finish = resolve))));
  await client.subscribe('photo.*', () => seen.add('photo.*'));
  const stored = bus.publish({ type: 'photo.uploaded', data: {} });

  const first = bus.deliver(stored, 'worker', 'photo.uploaded');
  const second = bus.deliver(stored, 'worker', 'photo.*');
  expect(await seen.atLeast(2)).toEqual(['photo.uploaded', 'photo.*']);
  finish();

  await bus.until(() => bus.sent('ack').length === 2);
  expect(bus.sent('ack')).toEqual([[second], [first]]);
});

test('maxInFlight is of the membership: what an earlier subscription of it still runs counts', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const seen = new Seen<Event>();
  let finish = () => {};
  const first = await client.subscribe('photo.uploaded', (event) => (seen.add(event), new Promise<void>((resolve) => (finish = resolve))), { maxInFlight: 1 });
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await seen.atLeast(1);
  await first.unsubscribe();
  await client.subscribe('photo.uploaded', seen.add, { maxInFlight: 1 });

  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await client.publish('tick', {}); // is answered behind it
  expect(idsOf(seen.things)).toEqual(['e1']);
  finish();

  expect(idsOf(await seen.atLeast(2))).toEqual(['e1', 'e2']);
});

test.each([
  ['by its name', 'worker', undefined],
  ['without its name', undefined, 'worker'],
])('leaving a group that was joined %s does not end the membership of a subscription that joins it meanwhile', async (_what, leaving, joining) => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  if (leaving === undefined) bus.script('subscribe', 'silence');
  const first = client.subscribe('photo.uploaded', () => {}, { group: leaving, signal: AbortSignal.timeout(leaving === undefined ? 200 : 60_000) });
  first.catch(() => {});
  if (leaving !== undefined) await first;
  else await bus.until(() => bus.sent('subscribe').length === 1);

  const second = client.subscribe('photo.uploaded', () => {}, { group: joining });
  if (leaving !== undefined) await (await first).unsubscribe();
  await second;
  if (leaving === undefined) await expect(first).rejects.toThrow();
  await client.publish('tick', {}); // is answered behind the commands

  const commands = bus.commands.map(([name]) => name);
  expect(commands.lastIndexOf('subscribe')).toBeGreaterThan(commands.lastIndexOf('unsubscribe'));
  expect(bus.sent('unsubscribe')).toHaveLength(1);
});

test('what waits for a place among maxInFlight is given back when its member unsubscribes', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const seen = new Seen<Event>();
  let finish = () => {};
  const client = clientOf(bus);
  const subscription = await client.subscribe('photo.uploaded', (event) => (seen.add(event), new Promise<void>((resolve) => (finish = resolve))), { maxInFlight: 1 });
  const running = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  const waiting = bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await seen.atLeast(1);
  await subscription.unsubscribe(); // is answered behind both
  finish();

  await bus.until(() => bus.sent('ack').length + bus.sent('nack').length === 2);
  expect(bus.sent('ack')).toEqual([[running]]);
  expect(bus.sent('nack').map(([delivery]) => delivery)).toEqual([waiting]);
});

test('maxInFlight holds though a connection after a drop gives more', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const seen = new Seen<Event>();
  const finish: (() => void)[] = [];
  const client = clientOf(bus);
  const handler = (event: Event) => {
    seen.add(event);
    return new Promise<void>((resolve) => finish.push(resolve));
  };
  await client.subscribe('photo.uploaded', handler, { maxInFlight: 1 });
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await seen.atLeast(1);

  await bus.stop();
  await bus.listen();
  await bus.until(() => bus.sent('subscribe').length === 2);
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await client.publish('tick', {}); // is answered behind it
  expect(idsOf(seen.things)).toEqual(['e1']);
  finish[0]?.();

  expect(idsOf(await seen.atLeast(2))).toEqual(['e1', 'e2']);
  finish[1]?.();
});

test.each([
  ['without its name first', [undefined, 'worker']],
  ['by its name first', ['worker', undefined]],
])('a group that is asked for with and without its name, %s, is one: each handler is called, and ends alone', async (_what, groups) => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const seen = new Seen<string>();
  const [first, second] = await Promise.all(groups.map((group, n) => client.subscribe('photo.uploaded', () => seen.add(`handler ${n}`), { group })));

  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  expect((await seen.atLeast(2)).sort()).toEqual(['handler 0', 'handler 1']);
  await second?.unsubscribe();
  expect(bus.sent('unsubscribe')).toEqual([]);
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  expect(await seen.atLeast(3)).toEqual(['handler 0', 'handler 1', 'handler 0']);
  await first?.unsubscribe();

  expect(bus.sent('unsubscribe')).toHaveLength(1);
});

test('a group that was joined without its name is joined again after a drop, if another subscription by its name was given up', async () => {
  const bus = await startBus({ recovery: true });
  bus.group = 'worker';
  const client = clientOf(bus);
  await client.ready();
  bus.script('subscribe', () => {}, 'silence');
  const first = client.subscribe('photo.uploaded', () => {});
  const abort = new AbortController();
  const second = rejection(client.subscribe('photo.uploaded', () => {}, { group: 'worker', signal: abort.signal }));
  await first;
  abort.abort();
  expect(await second).toMatchObject({ code: 'aborted' });

  bus.breakAll();

  await bus.until(() => bus.sent('subscribe').length === 3);
});

test("a group's event is given back once all its handlers have settled, and each failure is told", async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const errors = new Seen<EventBusError>();
  client.onError(errors.add);
  let finish = () => {};
  await client.subscribe('photo.uploaded', () => Promise.reject(new Error('first')));
  await client.subscribe('photo.uploaded', () => new Promise<void>((_resolve, reject) => (finish = () => reject(new Error('second')))));

  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await expect.poll(() => String(finish)).toContain('second');
  await client.publish('tick', {});
  expect(bus.sent('nack')).toEqual([]);
  finish();
  await bus.until(() => bus.sent('nack').length === 1);

  expect(bus.sent('nack')[0]?.[1]).toEqual({ reason: 'first' });
  expect((await errors.atLeast(2)).map(({ message }) => message)).toEqual(['A handler of photo.uploaded failed: first', 'A handler of photo.uploaded failed: second']);
});

test("a group's handler does not get what the same connection watches otherwise", async () => {
  const bus = await startBus();
  const ofGroup = new Seen<Event>();
  const client = await member(bus, ofGroup.add);
  const watched = new Seen<Event>();
  await client.subscribe(kPhoto, watched.add);

  bus.publish({ type: 'photo.uploaded', subject: kPhoto, data: {} });

  await watched.atLeast(1);
  expect(ofGroup.things).toEqual([]);
});

test('a delivery that nobody handles any more is given back', async () => {
  const bus = await startBus();
  const client = await member(bus, () => {});
  const subscription = await client.subscribe('photo.deleted', () => expect.unreachable());
  await subscription.unsubscribe();

  bus.deliver(bus.publish({ type: 'photo.deleted', data: {} }), 'worker', 'photo.deleted');

  await bus.until(() => bus.sent('nack').length === 1);
});

test('the end of a membership is not that of a view of the same types', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const client = clientOf(bus);
  const ends = new Seen<string>();
  await client.subscribe('photo.*', () => {}, { group: null, onEnd: () => ends.add('view') });
  await client.subscribe('photo.*', () => {}, { onEnd: () => ends.add('worker') });
  await client.subscribe('photo.*', () => {}, { group: 'other', onEnd: () => ends.add('other') });

  bus.sockets[0]!.emit('watch.ended', { topic: 'photo.*', group: 'worker', code: 'forbidden', message: 'Not any more.' });
  await client.publish('tick', {});

  expect(ends.things).toEqual(['worker']);
});

test('a membership is asked for after every reconnect, since it ends with the connection', async () => {
  const bus = await startBus({ recovery: true });
  await lose(bus, await member(bus, () => {}));

  await bus.until(() => bus.sent('subscribe').length === 2);
  expect(bus.sent('subscribe')).toEqual([['photo.uploaded', {}], ['photo.uploaded', {}]]);
});

test('close waits for the event that is being handled and for its acknowledgement', async () => {
  const bus = await startBus();
  let finish = () => {};
  const started = new Seen<unknown>();
  const client = await member(bus, (event) => {
    started.add(event);
    return new Promise<void>((resolve) => (finish = resolve));
  });
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await started.atLeast(1);

  const closed = client.close();
  afterwards(() => closed);
  finish();
  await closed;

  expect(bus.sent('ack')).toHaveLength(1);
});

test('what a handler publishes during close() goes through, and its event is acknowledged', async () => {
  const bus = await startBus();
  const started = new Seen<unknown>();
  let goOn = () => {};
  const client: EventBus = await member(bus, async (event) => {
    started.add(event);
    await new Promise<void>((resolve) => (goOn = resolve));
    await client.publish('photo.processing.completed', {});
  });
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await started.atLeast(1);

  const closed = client.close();
  expect(await rejection(client.subscribe('photo:1', () => {}))).toMatchObject({ code: 'closed' });
  goOn();
  await closed;

  expect(bus.log.map(({ name }) => name)).toEqual(['photo.uploaded', 'photo.processing.completed']);
  expect([bus.sent('ack').length, bus.sent('nack').length]).toEqual([1, 0]);
  expect(await rejection(client.publish('tick', {}))).toMatchObject({ code: 'closed' });
});

test('a second close({ drainMs: 0 }) waits for no handler', async () => {
  const bus = await startBus();
  const started = new Seen<unknown>();
  const client = await member(bus, (event) => {
    started.add(event);
    return new Promise<void>(() => {});
  });
  bus.deliver(bus.publish({ type: 'photo.uploaded', data: {} }), 'worker', 'photo.uploaded');
  await started.atLeast(1);

  const closed = client.close({ drainMs: Infinity });
  void client.close({ drainMs: 0 });

  await closed;
  expect(await rejection(client.publish('tick', {}))).toMatchObject({ code: 'closed' });
});

test('a second subscription that is refused ends nothing but itself', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  const events = new Seen<{ id: string }>();
  await client.subscribe('photo:1', events.add);

  expect(await rejection(client.subscribe('photo:1', () => expect.unreachable(), { since: '9.9' }))).toMatchObject({ code: 'bad_offset' });
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });

  expect((await events.atLeast(1)).map(({ id }) => id)).toEqual(['e1']);
});

test('a history goes to who asked for it, once, however often it comes and however long it is', async () => {
  const bus = await startBus();
  for (let n = 0; n < 20; ++n) bus.publish({ type: 'photo.old', subject: 'photo:1', data: {} });
  const client = clientOf(bus, { repeatsMax: 5 });
  const old: string[] = [];
  const live = new Seen<string>();
  client.on('photo.*', ({ type }) => live.add(`on ${type}`));
  await client.subscribe('photo:1', ({ type }) => live.add(`second ${type}`));
  await client.subscribe('photo:1', ({ id, type }) => (type === 'photo.old' ? void old.push(id) : live.add(`first ${type}`)), { since: '1.0' });

  bus.showHistory(...bus.log); // as after a drop
  bus.publish({ type: 'photo.new', subject: 'photo:1', data: {} });

  expect((await live.atLeast(3)).sort()).toEqual(['first photo.new', 'on photo.new', 'second photo.new']);
  expect(old).toEqual(Array.from({ length: 20 }, (_, n) => `e${n + 1}`));
});

test('of two topics that share events neither takes the other\'s history away', async () => {
  const bus = await startBus();
  for (let n = 1; n <= 3; ++n) bus.publish({ type: `photo.${n}`, subject: 'photo:1', data: {} });
  const client = clientOf(bus);
  const seen = new Seen<string>();
  bus.script('subscribe', { ok: true, offset: '1.0' }, { ok: true, offset: '1.0' }); // and both histories come interleaved
  await client.subscribe('photo:1', ({ id }) => seen.add(id), { since: '1.0' });
  await client.subscribe('photo.*', ({ id }) => seen.add(`${id} by type`), { since: '1.0', group: null });
  const [first, second, third] = bus.log as [Stored, Stored, Stored];

  bus.showHistory(first, second, first, third, second, third);

  expect((await seen.atLeast(6)).sort()).toEqual(['e1', 'e1 by type', 'e2', 'e2 by type', 'e3', 'e3 by type']);
});

test('of two topics that share events each has its own history, whichever is sent first over a drop', async () => {
  const bus = await startBus();
  for (let n = 1; n <= 3; ++n) bus.publish({ type: `photo.${n}`, subject: 'photo:1', data: {} });
  const client = clientOf(bus);
  const seen = new Seen<string>();
  bus.script('subscribe', { ok: true, offset: '1.0' }, { ok: true, offset: '1.2' });
  await client.subscribe('photo:1', ({ id }) => seen.add(id), { since: '1.0' });
  await client.subscribe('photo.*', ({ id }) => seen.add(`${id} by type`), { since: '1.2', group: null });
  const [first, second, third] = bus.log as [Stored, Stored, Stored];

  bus.showHistoryOf('photo:1', first);
  bus.showHistoryOf('photo.*', third, third);
  bus.showHistoryOf('photo:1', first, second, third);

  expect(await seen.atLeast(4)).toEqual(['e1', 'e3 by type', 'e2', 'e3']);
});

test('a history is nothing to a handler that has had what came in order', async () => {
  const bus = await startBus();
  const client = clientOf(bus, { repeatsMax: 1 });
  const seen = new Seen<string>();
  await client.subscribe('**', ({ id }) => seen.add(id), { group: null });
  for (let n = 0; n < 2; ++n) bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  const others = new Seen<string>();
  await client.subscribe('photo:1', ({ id }) => others.add(id), { since: '1.0' });

  await others.atLeast(2);

  expect(seen.things).toEqual(['e1', 'e2']);
});
