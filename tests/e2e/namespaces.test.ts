// Namespaces beside `/`, and a server that keeps no sessions.
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { connect, sdk } from './support/clients.js';
import { kBob } from './support/counters.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken } from './support/tokens.js';

/** A socket of a namespace: what it gets, as `n`, with the last argument's kind. */
class Member {
  readonly saw = new Seen<string>();
  readonly socket: Socket;

  constructor(url: string, nsp: string, options: object = {}) {
    this.socket = io(`${url}${nsp}`, { auth: { token: kBob }, reconnectionDelay: 20, forceNew: true, ...options });
    this.socket.on('counter.counted', (data: { n: number }, _meta: unknown, last: unknown) => this.saw.add(`${data.n} ${typeof last}`));
    this.socket.on('connect_error', (error) => this.saw.add(`refused: ${error.message}`));
    this.socket.on('connect', () => this.saw.add(this.socket.recovered ? 'recovered' : 'connected'));
    this.socket.on('resume.done', ({ missed }: { missed: number }) => this.saw.add(`missed ${missed}`));
    afterwards(() => this.socket.disconnect());
  }

  until(line: string): Promise<string[]> {
    return this.saw.until((lines) => lines.includes(line));
  }
}

test('a namespace that is configured serves what the main one serves, on one connection with it', async () => {
  const server = await BusServer.start({ settings: { namespaces: '/app,/board' } });
  const main = await connect(server, kBob);
  const app = new Member(server.url, '/app');
  await app.until('connected');
  const both = app.socket.io.socket('/board', { auth: { token: kBob } });
  const board = new Seen<number>();
  both.on('counter.counted', ({ n }: { n: number }) => board.add(n));

  expect(await both.emitWithAck('subscribe', 'counter:1')).toMatchObject({ ok: true });
  expect(await app.socket.emitWithAck('subscribe', 'counter:1')).toMatchObject({ ok: true });
  await main.ask('subscribe', 'counter:1');
  await sdk(server, serviceToken('api')).publish('counter.counted', { counterId: '1', n: 1 });

  await app.until('1 string');
  expect(await board.atLeast(1)).toEqual([1]);
  expect((await main.events.atLeast(1)).map(({ data }) => data.n)).toEqual([1]);
});

test('a namespace that is not configured is refused, and the connection stays', async () => {
  const server = await BusServer.start({ settings: { namespaces: '/app' } });
  const app = new Member(server.url, '/app');
  await app.until('connected');
  const refusals = new Seen<string>();
  for (const nsp of ['/other', '/app2', '/app?x=1', '/App']) {
    app.socket.io.socket(nsp, {}).on('connect_error', ({ message }) => refusals.add(message));
  }

  expect(await refusals.atLeast(4)).toEqual(Array.from({ length: 4 }, () => 'Invalid namespace'));
  expect(await app.socket.emitWithAck('subscribe', 'counter:1')).toMatchObject({ ok: true });
});

test('a socket of a namespace is recovered in it, and gets what it missed', async () => {
  const server = await BusServer.start({ settings: { namespaces: '/app' } });
  const api = sdk(server, serviceToken('api'));
  const app = new Member(server.url, '/app');
  await app.until('connected');
  await app.socket.emitWithAck('subscribe', 'counter:1');

  app.socket.io.engine.close();
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  await app.until('recovered');

  expect((await app.until('missed 1')).slice(1)).toEqual(['recovered', '1 string', 'missed 1']);
});

test('a service has deliveries of its groups in its namespace', async () => {
  const server = await BusServer.start({ settings: { namespaces: '/app' } });
  const worker = new Member(server.url, '/app', { auth: { token: serviceToken('worker') } });
  await worker.until('connected');
  expect(await worker.socket.emitWithAck('subscribe', 'counter.counted')).toMatchObject({ ok: true, group: 'worker' });

  await sdk(server, serviceToken('api')).publish('counter.counted', { counterId: '1', n: 1 });

  await worker.until('1 object');
});

test('without recovery nobody gets a pid or is recovered, and since still gives what was missed', async () => {
  const server = await BusServer.start({ settings: { recovery: 'false' } });
  const api = sdk(server, serviceToken('api'));
  const connects = new Seen<string>();
  const member = new Member(server.url, '/', { transports: ['websocket'] });
  member.socket.io.engine.on('packet', ({ data }: { data?: unknown }) => {
    if (typeof data === 'string' && data.startsWith('0{')) connects.add(data.replace(/"sid":"[^"]+"/, '"sid":"…"'));
  });
  await member.until('connected');
  expect(await connects.atLeast(1)).toEqual(['0{"sid":"…"}']);
  await member.socket.emitWithAck('subscribe', 'counter:1');
  let place: unknown;
  member.socket.onAny((...args: unknown[]) => (place = args.at(-1)));
  await api.publish('counter.counted', { counterId: '1', n: 1 });
  await member.until('1 string');

  member.socket.io.reconnection(false);
  member.socket.io.engine.close();
  await api.publish('counter.counted', { counterId: '1', n: 2 });
  member.socket.auth = { token: kBob, since: place, topics: ['counter:1'] };
  member.socket.connect();

  expect(await member.until('missed 1')).toEqual(['connected', '1 string', 'connected', '2 string', 'missed 1']);
  expect(member.socket.recovered).toBeFalsy();
});

test('a sticky cookie names the session of a polling client', async () => {
  const server = await BusServer.start({ settings: { sticky_cookie: 'io' } });
  const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse((await answer.text()).slice(1)) as { sid: string };

  expect(answer.headers.get('set-cookie')).toBe(`io=${sid}; Path=/; HttpOnly; SameSite=Lax`);
  expect(answer.headers.get('access-control-allow-origin')).toBe(null);
});
