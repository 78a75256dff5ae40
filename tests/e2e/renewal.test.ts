// What a socket.io-client is told of its place from its first second on, and of its histories'.
import { expect, test } from 'vitest';

import { away, connect, fence, PlainClient } from './support/clients.js';
import { count, counted, kBob, told } from './support/counters.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

// ---- a place from the first second --------------------------------------------------------------

interface Done {
  readonly missed: number;
  readonly principal: string;
  readonly dedupeWindowMs: number;
}

/** A client that asks for its place, and every `resume.done` that it was sent. */
class Placed extends PlainClient {
  readonly done = new Seen<[body: Done, place: unknown]>();

  constructor(server: BusServer, auth: Record<string, unknown>) {
    super(server, undefined, { auth: { place: true, ...auth } });
    this.socket.on('resume.done', (...args: [Done, unknown]) => this.done.add(args));
  }
}

const kSigns = [['a user', kBob], ['a service', serviceToken('worker')]] as const;

test.each(kSigns)('%s has a place before it has seen an event, and is given what it missed since', async (_, token) => {
  const server = await BusServer.start();
  const client = await new Placed(server, { token }).connected();
  const [[body, place]] = await client.done.atLeast(1) as [[Done, string]];
  expect(body).toEqual({ missed: 0, principal: expect.stringMatching(/^[\w-]{22}$/), dedupeWindowMs: 600_000 });
  expect(place).toMatch(/^[a-z0-9]+\.\d+$/);

  await away(client, async () => {
    client.socket.io.engine.close();
    await fence(server, [await connect(server, kBob)]);
  });

  expect((await client.events.atLeast(1)).map(({ name }) => name)).toEqual(['system.announcement']);
  expect(client.socket.recovered).toBe(true);
  const [, [again, second]] = await client.done.atLeast(2) as [unknown, [Done, string]];
  expect(again).toEqual({ ...body, missed: 1 });
  expect(second).toBe(client.events.things[0]!.last);
});

test('the place goes on from where it was told, over kill -9 and without a session', async () => {
  const server = await BusServer.start({ settings: { recovery: 'false', dedupe_window: '90s' } });
  const before = await new Placed(server, { token: kBob, topics: ['counter:1'] }).connected();
  const [[body, since]] = await before.done.atLeast(1) as [[Done, string]];
  expect(body.dedupeWindowMs).toBe(90_000);
  before.socket.disconnect();
  await count(server, 1, 2);
  await server.kill();
  await server.up();

  const after = await new Placed(server, { token: kBob, topics: ['counter:1'], since }).connected();

  expect((await after.done.atLeast(1))[0]![0]).toEqual({ ...body, missed: 2 });
  expect(counted(after)).toEqual([1, 2]);
});

test('it is right in the midst of a stream of events', async () => {
  const server = await BusServer.start();
  let n = 0;
  const publishing = (async () => {
    while (n < 300) await count(server, ++n, n);
  })();
  const seen: Placed[] = [];
  for (let i = 0; i < 20; ++i) {
    const client = await new Placed(server, { token: kBob, topics: ['counter:1'] }).connected();
    seen.push(client);
    await client.done.atLeast(1);
    client.socket.io.engine.close(); // and it comes back by itself, with that place or a later one
  }
  await publishing;
  await fence(server, seen);

  for (const client of seen) {
    const numbers = [...new Set(counted(client))];
    const first = numbers[0] ?? 301;
    expect(numbers).toEqual(Array.from({ length: 301 - first }, (_, i) => first + i));
  }
});

test('who does not ask for a place is told as ever', async () => {
  const server = await BusServer.start();
  const auth = { token: kBob, topics: ['photo:1'], place: 'yes' };
  const client = await new PlainClient(server, undefined, { auth }).connected();
  await fence(server, [client]);
  expect(told(client)).toEqual(['watch.ended']);

  await away(client, async () => void client.socket.io.engine.close());

  await client.control.until((all) => all.length >= 2);
  expect(client.control.things.at(-1)).toEqual({ name: 'resume.done', body: { missed: 0 } });
});

test('the principal is the same for all of its sockets and lives of the server, and another for each', async () => {
  const server = await BusServer.start();
  const principalOf = async (token: string): Promise<string> => {
    const client = await new Placed(server, { token }).connected();
    const [[{ principal }]] = await client.done.atLeast(1) as [[Done, unknown]];
    return principal;
  };
  const tokens = [userToken('api'), serviceToken('api'), userToken('bob')];
  const first = await Promise.all(tokens.map(principalOf));
  await server.stop();
  await server.up();

  expect(await Promise.all(tokens.map(principalOf))).toEqual(first);
  expect(new Set(first).size).toBe(3);
});

// ---- the topics of histories ----------------------------------------------------------------------

const kWatchesAll = serviceToken('worker', { permissions: ['watch:counter:*'] });

interface Past {
  readonly offset: string;
  readonly topic?: string;
}

/** What came of histories, in its order: the count, and what the event ended in. */
function past({ events }: PlainClient): [n: unknown, last: Past][] {
  return events.things.filter(({ last }) => typeof last === 'object').map(({ data, last }) => [data.n, last as Past]);
}

/** Asks for two histories of counter 1 at once: as a subject behind `first`, as a type behind `second`. */
async function askForBoth(client: PlainClient, first: string, second: string): Promise<void> {
  expect(await Promise.all([client.ask('subscribe', 'counter:1', { since: first }), client.ask('subscribe', 'counter.*', { group: null, since: second })]))
    .toMatchObject([{ ok: true, topic: 'counter:1' }, { ok: true, topic: 'counter.*' }]);
}

test('two histories under way at once come whole, each event says of which it is, and so after a drop', async () => {
  const server = await BusServer.start();
  const offsets: string[] = [];
  for (let n = 0; n < 4; ++n) {
    const event = { type: 'counter.counted', data: { counterId: '1', n } };
    offsets.push((await server.post('/v1/events', serviceToken('api'), event)).headers.get('event-bus-offset')!);
  }
  const client = await new Placed(server, { token: kWatchesAll }).connected();

  await askForBoth(client, offsets[0]!, offsets[1]!);
  await client.events.atLeast(5);

  const of = (n: number, topic: string) => [n, { offset: offsets[n]!, topic }];
  const histories = { 'counter:1': [1, 2, 3].map((n) => of(n, 'counter:1')), 'counter.*': [2, 3].map((n) => of(n, 'counter.*')) };
  const byTopic = (all: ReturnType<typeof past>) =>
    Object.fromEntries(Object.keys(histories).map((topic) => [topic, all.filter(([, last]) => last.topic === topic)]));
  expect(byTopic(past(client))).toEqual(histories);

  // Nothing has shown that they came.
  await away(client, async () => void client.socket.io.engine.close());
  await client.events.atLeast(10);
  await count(server, 4, 4);

  expect(byTopic(past(client).slice(5))).toEqual(histories);
  expect((await client.events.atLeast(11))[10]).toMatchObject({ data: { n: 4 }, last: expect.any(String) });
});

test('a topic that comes to a session at CONNECT with `since` is named, and what the owner sees of the past has the form of ever', async () => {
  const server = await BusServer.start();
  const photo = { photoId: '1', userId: 'alice', gps: '47.1', visibility: 'friends' };
  const publish = (type: string) => server.post('/v1/events', serviceToken('api'), { type, data: photo });
  const since = (await publish('photo.uploaded')).headers.get('event-bus-offset')!;
  const offset = (await publish('photo.processing.completed')).headers.get('event-bus-offset')!;
  const alice = await new Placed(server, { token: userToken('alice') }).connected();

  (alice.socket.auth as Record<string, unknown>).since = since;
  (alice.socket.auth as Record<string, unknown>).topics = ['photo:1'];
  await away(alice, async () => void alice.socket.io.engine.close());

  expect(alice.socket.recovered).toBe(true);
  expect(await alice.events.atLeast(1)).toMatchObject([{ name: 'photo:processing.completed', data: photo, last: { offset, topic: 'photo:1' } }]);
});

test('who does not ask for a place gets the events of histories as ever, beside one who does', async () => {
  const server = await BusServer.start();
  await count(server, 0, 2);
  const since = (await server.post('/v1/events', serviceToken('api'), { type: 'counter.counted', data: { counterId: '2', n: 0 } })).headers.get('event-bus-offset')!;
  await count(server, 3, 4);
  const plain = await connect(server, kWatchesAll);
  const placed = await new Placed(server, { token: kWatchesAll }).connected();

  for (const client of [plain, placed]) await askForBoth(client, since, since);
  await fence(server, [plain, placed]);

  expect(past(plain).map(([n, last]) => [n, Object.keys(last)])).toEqual([3, 4, 3, 4].map((n) => [n, ['offset']]));
  expect(past(placed).map(([n, last]) => [n, Object.keys(last)])).toEqual([3, 4, 3, 4].map((n) => [n, ['offset', 'topic']]));
});
