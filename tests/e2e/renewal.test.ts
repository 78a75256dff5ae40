// What a socket.io-client makes of its place from its first second on, of its histories' topics, and of another token in place of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { away, connect, fence, PlainClient } from './support/clients.js';
import { count, counted, kBob, told } from './support/counters.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, sign, userToken } from './support/tokens.js';

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

// ---- another token ------------------------------------------------------------------------------

const inSeconds = (s: number): number => Math.floor(Date.now() / 1_000) + s;
const kExact = { jwt_clock_skew: '0s' };
const kAdmin = userToken('carol', { roles: ['admin'] });
const kOkay = { ok: true, expiresInMs: expect.any(Number) };

function groupsCatalog(): string {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-catalog-'));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, 'events:\n  job.made: { audience: [role:admin], consume: [permission] }\n');
  return catalog;
}

async function health(server: BusServer, text: string): Promise<void> {
  expect((await server.post('/v1/events', serviceToken('api'), { type: 'system.health.update', data: { text } })).status).toBe(200);
}

function texts({ events }: PlainClient): unknown[] {
  return events.things.filter(({ meta }) => meta.type === 'system.health.update').map(({ data }) => data.text);
}

test('another token keeps the socket past the end of the first, without a drop', async () => {
  const server = await BusServer.start({ settings: kExact });
  const client = await connect(server, undefined, { auth: { token: userToken('bob', { exp: inSeconds(4) }), refresh: true } });
  const states: string[] = [];
  client.socket.on('disconnect', (why) => states.push(why));

  await client.control.until((all) => all.some(({ name }) => name === 'token.expiring'));
  const { expiresInMs } = client.control.things[0]!.body as { expiresInMs: number };
  expect(expiresInMs).toBeGreaterThan(0);
  expect(expiresInMs).toBeLessThanOrEqual(2_000);
  expect(await client.ask('auth.refresh', { token: kBob })).toEqual(kOkay);
  await new Promise((resolve) => setTimeout(resolve, expiresInMs + 2_000));

  expect(await client.ask('subscribe', 'counter:1')).toMatchObject({ ok: true }); // by the rights of the new one
  expect(states).toEqual([]);
  expect(told(client)).toEqual(['token.expiring']);
});

test('a token is to be renewed before it ends, though it is taken for a while longer', async () => {
  const server = await BusServer.start({ settings: { jwt_clock_skew: '30s' } });
  const exp = inSeconds(4);
  const client = await connect(server, undefined, { auth: { token: userToken('bob', { exp }), refresh: true } });

  await client.control.until((all) => all.some(({ name }) => name === 'token.expiring'));

  expect(Date.now()).toBeLessThan(exp * 1_000);
  expect((client.control.things[0]!.body as { expiresInMs: number }).expiresInMs).toBeLessThanOrEqual(2_000);
});

test('the new token ends as the first would have, and its end is told anew', async () => {
  const server = await BusServer.start({ settings: kExact });
  const client = await connect(server, undefined, { auth: { token: kBob, refresh: true } });

  expect(await client.ask('auth.refresh', { token: userToken('bob', { exp: inSeconds(4) }) })).toEqual(kOkay);

  await client.control.until((all) => all.some(({ name }) => name === 'token.expired'));
  expect(told(client)).toEqual(['token.expiring', 'token.expired']);
});

test('a token without an end needs no other, and one is told only to who asked', async () => {
  const server = await BusServer.start({ settings: kExact });
  const silent = await connect(server, userToken('bob', { exp: inSeconds(4) }));
  const client = await connect(server, undefined, { auth: { token: userToken('bob', { exp: inSeconds(4) }), refresh: true } });

  expect(await client.ask('auth.refresh', { token: sign({ sub: 'bob', exp: undefined }) })).toEqual({ ok: true });

  await silent.control.atLeast(1);
  expect(told(silent)).toEqual(['token.expired']);
  expect(told(client)).toEqual([]);
  expect(client.socket.connected).toBe(true);
});

test('a refused refresh changes nothing', async () => {
  const server = await BusServer.start({ settings: kExact });
  const refused = [
    ['forbidden', { token: userToken('mallory', { roles: ['admin'] }) }],
    ['forbidden', { token: serviceToken('carol') }],
    ['token_expired', { token: userToken('carol', { exp: inSeconds(-1) }) }],
    ['unauthorized', { token: sign({ sub: 'carol' }, { secret: 'another secret, of 32 bytes or more' }) }],
    ['unauthorized', { token: '' }],
    ['bad_request', { token: 1 }],
    ['bad_request', 'a token'],
    ['bad_request', null],
    ['bad_request'],
  ] as const;
  const client = await connect(server, undefined, { auth: { token: userToken('carol', { roles: ['admin'], exp: inSeconds(6) }), refresh: true } });
  for (const [code, ...args] of refused) {
    const other = await connect(server, kAdmin); // each client has so many attempts
    expect(await other.ask('auth.refresh', ...args)).toEqual({ ok: false, error: { code, message: expect.stringMatching(/./) } });
    expect(await other.ask('subscribe', 'photo:1')).toMatchObject({ ok: true });
  }
  expect(await client.ask('auth.refresh', refused[0][1])).toMatchObject({ ok: false });
  await health(server, 'one');

  await client.control.until((all) => all.some(({ name }) => name === 'token.expired'));
  expect(texts(client)).toEqual(['one']);
  expect(told(client)).toEqual(['token.expiring', 'token.expired']);
});

test('roles and rights are those of the new token, also after a drop and after kill -9', async () => {
  const server = await BusServer.start();
  const client = new PlainClient(server, undefined, { auth: { token: kAdmin } });
  await client.connected();
  const refresh = async (token: string) => {
    expect(await client.ask('auth.refresh', { token })).toEqual(kOkay);
    client.socket.auth = { token };
  };
  await client.ask('subscribe', 'photo:1');
  await health(server, 'as admin');

  await refresh(userToken('carol', { permissions: ['watch:counter:*'] }));
  expect(client.control.things.map(({ body }) => body)).toMatchObject([{ topic: 'role:admin', code: 'forbidden' }, { topic: 'photo:1', code: 'forbidden' }]);
  await health(server, 'not for her');
  await client.ask('subscribe', 'counter:1');
  await count(server, 1, 1);
  await away(client, async () => {
    client.socket.io.engine.close();
    await health(server, 'not for her');
    await count(server, 2, 2);
  });
  expect(client.socket.recovered).toBe(true);
  await refresh(kAdmin);
  expect(client.control.things).toContainEqual({ name: 'watch.ended', body: expect.objectContaining({ topic: 'counter:1' }) });
  await client.ask('subscribe', 'photo:2');
  await health(server, 'as admin again');
  await server.post('/v1/events', serviceToken('api'), { type: 'photo.shared', data: { photoId: '2', with: 'dave' } });
  await away(client, async () => {
    await server.kill();
    await server.up();
    await server.post('/v1/events', serviceToken('api'), { type: 'photo.shared', data: { photoId: '2', with: 'erin' } });
  });

  await client.events.until((all) => all.filter(({ name }) => name === 'photo.shared').length >= 2);
  expect(client.socket.recovered).toBe(true);
  expect(counted(client)).toEqual([1, 2]);
  expect(texts(client)).toEqual(['as admin', 'as admin again']);
});

test('one refresh at a time, and few in a second', async () => {
  const server = await BusServer.start();
  const client = await connect(server, kAdmin);
  const tokens = [kAdmin, userToken('carol'), ...Array<string>(500).fill(kAdmin)];

  const answers = await Promise.all(tokens.map((token) => client.ask('auth.refresh', { token })));

  const taken = answers.filter(({ ok }) => ok).length;
  expect(taken).toBeGreaterThanOrEqual(1);
  expect(taken).toBeLessThanOrEqual(8); // over two seconds, if it was slow
  for (const answer of answers) {
    if (!answer.ok) expect(answer.error).toEqual({ code: 'too_many', message: expect.stringMatching(/./), retryAfterMs: 1_000 });
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await client.ask('auth.refresh', { token: kAdmin })).toEqual(kOkay);
});

test("a service's group memberships stay with the right to them, and else what they held goes to others", async () => {
  const server = await BusServer.start({ catalog: groupsCatalog() });
  const may = { permissions: ['consume:job.*'] };
  const [one, two] = [await connect(server, serviceToken('worker', may)), await connect(server, serviceToken('worker', may))];
  for (const client of [one, two]) expect(await client.ask('subscribe', 'job.made', { max_in_flight: 10 })).toMatchObject({ ok: true });
  expect(await one.ask('auth.refresh', { token: serviceToken('worker', { permissions: ['consume:job.made'] }) })).toEqual(kOkay);
  for (const n of [1, 2, 3, 4]) await server.post('/v1/events', serviceToken('api'), { type: 'job.made', data: { n } });
  await expect.poll(() => one.events.things.length + two.events.things.length).toBe(4);
  expect(one.events.things.length).toBeGreaterThan(0);

  expect(await one.ask('auth.refresh', { token: serviceToken('worker') })).toEqual(kOkay);

  expect(one.control.things).toEqual([{ name: 'watch.ended', body: { topic: 'job.made', group: 'worker', code: 'forbidden', message: expect.stringMatching(/./) } }]);
  await two.events.until((all) => new Set(all.map(({ data }) => data.n)).size === 4);
  expect(await one.ask('subscribe', 'job.made')).toMatchObject({ ok: false, error: { code: 'forbidden' } });
});

test('while a CONNECT with its pid takes the session over, exactly one is in, with the rights of its own token', async () => {
  const server = await BusServer.start();
  for (let round = 0; round < 10; ++round) {
    const client = await connect(server, kAdmin, { reconnection: false });
    const pid = (client.socket as unknown as { _pid: string })._pid;
    const gone = new Promise((resolve) => client.socket.once('disconnect', resolve));
    const other = new PlainClient(server, undefined, { auth: { token: userToken('carol'), pid }, reconnection: false });
    for (let wait = 0; wait < round; ++wait) await new Promise(setImmediate); // so that they meet at several points
    client.socket.emit('auth.refresh', { token: round % 2 === 0 ? userToken('carol') : sign({ sub: 'carol', roles: ['admin', 'friend'] }) });
    await Promise.all([other.connected(), gone]);
    await health(server, 'not for her');
    await fence(server, [other]);
    expect(texts(other)).toEqual([]);
    other.socket.disconnect();
  }
});

test('a socket that goes during its refresh does no harm', async () => {
  const server = await BusServer.start();
  for (let round = 0; round < 30; ++round) {
    const client = await connect(server, kAdmin, { reconnection: false });
    await client.ask('subscribe', 'photo:1');
    client.socket.emit('auth.refresh', { token: userToken('carol') });
    if (round % 2 === 0) client.socket.io.engine.close();
    else client.socket.disconnect();
  }
  await connect(server, kAdmin);
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
