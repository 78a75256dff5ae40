// What our package and the plain client make of drops, reloads and tokens that end, on the real server.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ConnectionState, TokenContext } from '@shared-infra/event-bus';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { connect, fence, PlainClient, sdk } from './support/clients.js';
import { counted, kBob } from './support/counters.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

test('the plain client that loses its transport is recovered and gets what it missed, once', async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  const api = sdk(server, serviceToken('api'));
  await bob.ask('subscribe', 'counter:1');
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  await bob.events.atLeast(1);

  bob.socket.io.reconnection(false);
  bob.socket.io.engine.close();
  for (const n of [2, 3]) await api.publish('counter.counted', { counterId: '1', n });
  bob.socket.io.reconnection(true);
  bob.socket.connect();
  await bob.connected();
  await api.publish('counter.counted', { counterId: '1', n: 4 });

  expect((await bob.events.atLeast(4)).map(({ data }) => data.n)).toEqual([1, 2, 3, 4]);
  expect(bob.socket.recovered).toBe(true);
  expect(await bob.control.atLeast(1)).toEqual([{ name: 'resume.done', body: { missed: 2 } }]);
});

test('a client that got no event yet is recovered too', async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  const api = sdk(server, serviceToken('api'));
  await bob.ask('subscribe', 'counter:1');

  bob.socket.io.engine.close();
  await api.publish('counter.counted', { counterId: '1', n: 1 });

  expect((await bob.events.atLeast(1)).map(({ data }) => data.n)).toEqual([1]);
});

const kTransports = [['websocket'], ['polling'], ['polling', 'websocket']];

// Bob asked for a history of one event and got it. He sees no other event, so his offset proves nothing.
async function withHistory(server: BusServer, transports: string[]): Promise<PlainClient> {
  const api = sdk(server, serviceToken('api'));
  const { offset } = await api.publish('counter.counted', { counterId: '1', n: 0 });
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  const bob = await connect(server, kBob, { transports });
  expect(await bob.ask('subscribe', 'counter:1', { since: offset })).toMatchObject({ ok: true });
  await bob.events.atLeast(1);
  return bob;
}

async function dropAndComeBack(bob: PlainClient): Promise<void> {
  const back = new Promise<void>((resolve) => bob.socket.once('connect', () => resolve()));
  bob.socket.io.engine.close();
  await back;
  expect(bob.socket.recovered).toBe(true);
}

test.each(kTransports)('a history comes again after each drop while nothing proves that it came (%s, %s)', async (...transports) => {
  const server = await BusServer.start();
  const bob = await withHistory(server, transports.filter(Boolean));

  for (const times of [2, 3]) {
    await dropAndComeBack(bob);
    await bob.events.atLeast(times);
  }

  expect(counted(bob)).toEqual([1, 1, 1]);
});

test.each(kTransports)('a history behind which a ping was answered does not come again (%s, %s)', async (...transports) => {
  const server = await BusServer.start({ settings: { ping_interval: '200ms' } });
  const bob = await withHistory(server, transports.filter(Boolean));
  const pings = new Seen<void>();
  bob.socket.io.on('ping', () => pings.add());

  await pings.atLeast(3); // the first may have overtaken it, and the third comes behind the second's answer
  await dropAndComeBack(bob);
  await dropAndComeBack(bob);
  await fence(server, [bob]);

  expect(counted(bob)).toEqual([1]);
});

test('a page that is loaded again gives its last place and its topics, and goes on from there', async () => {
  const server = await BusServer.start();
  const api = sdk(server, serviceToken('api'));
  const before = await connect(server, kBob);
  await before.ask('subscribe', 'counter:1');
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  const [event] = await before.events.atLeast(1);
  before.socket.disconnect();
  await api.publish('counter.counted', { counterId: '1', n: 2 });

  const after = new PlainClient(server, undefined, { auth: { token: kBob, since: event!.last, topics: ['counter:1', 'photo:1'] } });

  expect((await after.events.atLeast(1)).map(({ data }) => data.n)).toEqual([2]);
  const control = await after.control.until((all) => all.some(({ name }) => name === 'resume.done') && all.some(({ name }) => name === 'watch.ended'));
  expect(control.find(({ name }) => name === 'resume.done')!.body).toEqual({ missed: 1 });
  expect(control.find(({ name }) => name === 'watch.ended')!.body).toMatchObject({ topic: 'photo:1', message: expect.stringMatching(/./) });
});

test("the plain client's recipe in docs/sdk.md gets what a page missed while it was loaded again", async () => {
  const server = await BusServer.start();
  const worker = sdk(server, serviceToken('worker'));
  const recipe = /```js\n([\s\S]*?)```/.exec(readFileSync(new URL('../../docs/sdk.md', import.meta.url), 'utf8'))![1]!;
  const page = new Function('io', 'url', 'token', 'sessionStorage', 'showThumbnails', 'console', recipe);
  const tab = {};
  const token = userToken('bob', { permissions: ['watch:photo:*'] });
  const shown = new Seen<unknown[]>();
  const answers = new Seen<unknown>();
  const load = (): Socket => {
    let socket: Socket | undefined;
    const open = (...args: Parameters<typeof io>) => (socket = io(args[0], { ...args[1], forceNew: true }));
    page(open, server.url, token, tab, (...args: unknown[]) => shown.add(args), { log: answers.add });
    afterwards(() => socket!.disconnect());
    return socket!;
  };
  await worker.publish('photo.uploaded', { photoId: '123', userId: 'alice', filename: 'f' });

  const first = load();
  expect(await answers.atLeast(1)).toMatchObject([{ ok: true }]);
  await worker.publish('photo.processing.completed', { photoId: '123', thumbnails: ['1.jpg'] });
  await shown.atLeast(1);
  first.disconnect();
  await worker.publish('photo.processing.completed', { photoId: '123', thumbnails: ['2.jpg'] });
  load();

  expect(await shown.atLeast(2)).toEqual([['123', ['1.jpg']], ['123', ['2.jpg']]]);
});

test('a token that has expired already is asked for again, with the reason', async () => {
  const server = await BusServer.start();
  const refused = new Seen<string | undefined>();
  const api = sdk(server, (context) => {
    refused.add(context.refused);
    return context.refused === undefined ? userToken('alice', { exp: 1 }) : serviceToken('api');
  });

  await api.publish('counter.counted', { counterId: '1', n: 1 });

  expect(refused.things).toEqual([undefined, 'token_expired']);
});

test("a session is not given to another user's token", async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  const api = sdk(server, serviceToken('api'));
  await bob.ask('subscribe', 'counter:1');
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  await bob.events.atLeast(1);

  bob.socket.auth = { token: userToken('mallory') };
  bob.socket.io.engine.close();
  await new Promise<void>((resolve) => bob.socket.once('connect', () => resolve()));
  await api.publish('counter.counted', { counterId: '1', n: 2 });
  await api.publish('system.announcement', { text: 'the end' });

  expect(bob.socket.recovered).toBe(false);
  expect((await bob.events.atLeast(2)).map(({ meta }) => meta.type)).toEqual(['counter.counted', 'system.announcement']);
});

test('our package tells how much it caught up on, with type patterns and after a crash', async () => {
  const server = await BusServer.start();
  const worker = sdk(server, serviceToken('worker'));
  const states = new Seen<ConnectionState>();
  worker.onState(states.add);
  const seen = new Seen<number>();
  await worker.subscribe('counter.*', (event) => seen.add(event.n), { group: null });
  const api = sdk(server, serviceToken('api'));
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  await seen.atLeast(1);

  await server.kill();
  const waiting = [2, 3].map((n) => api.publish('counter.counted', { counterId: '1', n }));
  await server.up();
  await Promise.all(waiting);

  expect(await seen.atLeast(3)).toEqual([1, 2, 3]);
  await states.until((all) => all.at(-1)?.missed !== undefined);
  expect(worker.state.status).toBe('live');
});

const kTokenEnds = { settings: { jwt_clock_skew: '0s' } };

test.each(['websocket', 'polling'])('a token that ends while connected is renewed over %s, without a drop', async (transport) => {
  const server = await BusServer.start(kTokenEnds);
  const api = sdk(server, serviceToken('api'));
  const seen = new Seen<number>();
  const states = new Seen<string>();
  const contexts: TokenContext[] = [];
  const end = Math.floor(Date.now() / 1_000) + 3;
  const bob = sdk(server, (context) => userToken('bob', { permissions: ['watch:counter:*'], ...(contexts.push(context) === 1 && { exp: end }) }), { socketOptions: { transports: [transport] } });
  await bob.subscribe('counter:1', (event) => seen.add(event.n));
  bob.onState(({ status }) => states.add(status));

  await new Promise((resolve) => setTimeout(resolve, end * 1_000 + 500 - Date.now()));
  await api.publish('counter.counted', { counterId: '1', n: 1 });

  expect(await seen.atLeast(1)).toEqual([1]);
  expect(contexts).toEqual([{}, { expiresInMs: expect.any(Number) }]);
  expect(states.things).not.toContain('reconnecting');
});

test.each(['websocket', 'polling'])('a token that ends while none can be had ends the %s; a fresh one goes on without a loss', async (transport) => {
  const server = await BusServer.start(kTokenEnds);
  const api = sdk(server, serviceToken('api'));
  const seen = new Seen<number>();
  const refused = new Seen<string>();
  const soon = Math.floor(Date.now() / 1_000) + 2;
  const bob = sdk(server, (context) => {
    if (context.expiresInMs !== undefined) return userToken('bob', { exp: 1 });
    if (context.refused === undefined) return userToken('bob', { permissions: ['watch:counter:*'], exp: soon });
    refused.add(context.refused);
    return userToken('bob', { permissions: ['watch:counter:*'] });
  }, { socketOptions: { transports: [transport] } });
  await bob.subscribe('counter:1', (event) => seen.add(event.n));
  await api.publish('counter.counted', { counterId: '1', n: 1 });

  await refused.atLeast(1);
  await api.publish('counter.counted', { counterId: '1', n: 2 });

  expect(refused.things).toEqual(['token_expired']);
  expect(await seen.atLeast(2)).toEqual([1, 2]);
});

test('what was unsubscribed does not arrive any more, and unsubscribing twice is no error', async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');

  expect(await bob.ask('unsubscribe', 'counter:1')).toMatchObject({ ok: true });
  expect(await bob.ask('unsubscribe', 'counter:1')).toMatchObject({ ok: true });
  await sdk(server, serviceToken('api')).publish('counter.counted', { counterId: '1', n: 1 });
  await sdk(server, serviceToken('api')).publish('system.announcement', { text: 'the end' });

  expect((await bob.events.atLeast(1)).map(({ meta }) => meta.type)).toEqual(['system.announcement']);
});

test('only who could have got the events that retention took is told of a gap', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-catalog-'));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, `events:
  counter.counted: { subject: "counter:{data.counterId}", audience: [watchers] }
  counter.glimpsed: { subject: "counter:{data.counterId}", audience: [watchers], retain: 1s }
  system.announcement: { audience: [everyone] }
rooms: { counter: { watch: [permission] } }
`);
  const server = await BusServer.start({ catalog, settings: { reactors: '1', tail_entries_max: '512', admin_listen: '127.0.0.1:0' } });
  const api = sdk(server, serviceToken('api'));
  const [one, two] = [await connect(server, kBob), await connect(server, kBob)];
  await one.ask('subscribe', 'counter:1');
  await two.ask('subscribe', 'counter:2');
  await fence(server, [one, two]);
  for (const { socket } of [one, two]) {
    socket.io.reconnection(false);
    socket.io.engine.close();
  }
  await api.publish('counter.glimpsed', { counterId: '1' });
  await api.publish('counter.counted', { counterId: '2' });
  // More than the memory has after a start.
  for (let list = 0; list < 6; ++list) await api.publish(Array.from({ length: 100 }, (_, n) => ({ type: 'counter.counted', data: { counterId: '3', n } })));
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // it comes of age
  await server.stop();
  await server.up();
  const admin = /admin\D*(127\.0\.0\.1:\d+)/.exec(server.output)![1]!;
  await expect.poll(async () => (await fetch(`http://${admin}/metrics`)).text(), { timeout: 20_000 }).toMatch(/^eventbus_log_swept_total [1-9]/m);

  for (const { socket } of [one, two]) socket.connect();
  await Promise.all([one, two].map(({ control }) => control.until((all) => all.some(({ name }) => name === 'resume.done'))));

  expect(one.socket.recovered && two.socket.recovered).toBe(true);
  expect(one.control.things.map(({ name }) => name)).toEqual(['resume.gap', 'resume.done']);
  expect(two.control.things).toEqual([{ name: 'resume.done', body: { missed: 1 } }]);
});
