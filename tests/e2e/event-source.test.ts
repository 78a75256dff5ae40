// A browser's EventSource, as Node has it: any status but 200 ends it for good, so it must never meet one.
import { once } from 'node:events';
import { createServer as createHttpServer, request as requestOf } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTo, createServer } from 'node:net';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kAlice = userToken('alice');

interface Told {
  readonly type: string;
  readonly data: unknown;
  readonly lastEventId: string;
}

/** An EventSource, with a list of what it told its page. */
class Page {
  readonly told = new Seen<Told>();
  readonly source: EventSource;

  constructor(url: string, types: readonly string[]) {
    this.source = new EventSource(url);
    for (const type of types) {
      this.source.addEventListener(type, ({ data, lastEventId }: MessageEvent<string>) => this.told.add({ type, data: JSON.parse(data), lastEventId }));
    }
    afterwards(() => this.source.close());
  }

  /** Resolves when it is connected. */
  async open(): Promise<this> {
    if (this.source.readyState !== EventSource.OPEN) await once(this.source, 'open');
    return this;
  }
}

/** Passes connections on to the server; those that come while it is down wait until it is up again. */
class Door {
  #isUp = Promise.resolve();
  readonly #listener = createServer((from) => void this.#pass(from));
  readonly #server: BusServer;

  constructor(server: BusServer) {
    this.#server = server;
    afterwards(() => this.#listener.close());
  }

  async open(): Promise<string> {
    await once(this.#listener.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Node's EventSource takes a refused connection for the end, so a slow start must not refuse one. */
  async during(restart: () => Promise<void>): Promise<void> {
    this.#isUp = restart();
    await this.#isUp;
  }

  async #pass(from: Socket): Promise<void> {
    from.on('error', () => from.destroy());
    await this.#isUp;
    const to = connectTo(Number(new URL(this.#server.url).port), '127.0.0.1');
    to.on('error', () => from.destroy());
    to.on('close', () => from.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to).pipe(from);
  }
}

/** What a browser adds to the requests of a page on the server's own origin: the cookie of that moment. */
class CookieJar {
  requests = 0;
  readonly #listener = createHttpServer((from, to) => {
    ++this.requests;
    const headers = { ...from.headers, cookie: `eventbus_token=${this.token}`, 'sec-fetch-site': 'same-origin' };
    const passed = requestOf(`${this.server.url}${from.url}`, { headers, agent: false }, (answer) => {
      to.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(to);
    });
    passed.on('error', () => to.destroy());
    to.on('close', () => passed.destroy());
    passed.end();
  });

  constructor(readonly server: BusServer, public token: string) {
    afterwards(() => this.#listener.close().closeAllConnections());
  }

  async open(): Promise<string> {
    await once(this.#listener.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }
}

async function ticketFor(server: BusServer, token = kAlice): Promise<string> {
  const made = await fetch(`${server.url}/v1/tickets`, { method: 'POST', headers: { authorization: `Bearer ${token}`, connection: 'close' } });
  expect(made.status).toBe(200);
  return ((await made.json()) as { ticket: string }).ticket;
}

async function upload(server: BusServer, photoId: string): Promise<string> {
  const response = await fetch(`${server.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serviceToken('api')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'photo.uploaded', data: { photoId, userId: 'alice' } }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { offset: string }).offset;
}

test('with a ticket it survives the end of the server, by kill -9 and in order, and misses nothing', async () => {
  const server = await BusServer.start();
  const door = new Door(server);
  const page = new Page(`${await door.open()}/v1/stream?ticket=${await ticketFor(server)}`, ['photo.uploaded']);
  await page.open();

  await door.during(async () => {
    await server.kill(); // before anything was for it
    await server.up();
  });
  const offsets = [await upload(server, '1')];
  await page.told.atLeast(1);
  await door.during(async () => {
    await server.stop();
    await server.up();
  });
  offsets.push(await upload(server, '2'));

  const events = await page.told.atLeast(2);
  expect(events.map(({ lastEventId }) => lastEventId)).toEqual(offsets);
});

test('a used ticket without a place opens nothing, also after a restart', async () => {
  const server = await BusServer.start();
  const ticket = await ticketFor(server);
  const unused = await ticketFor(server);
  const open = async (of: string, headers = {}): Promise<number> => {
    const answer = await fetch(`${server.url}/v1/stream?ticket=${of}`, { headers });
    await answer.body?.cancel();
    return answer.status;
  };
  expect(await open(ticket)).toBe(200);
  expect(await open(ticket)).toBe(401);

  await server.stop();
  await server.up();

  expect(await open(ticket)).toBe(401);
  expect(await open(unused)).toBe(401); // nobody knows
  expect(await open(ticket, { 'last-event-id': await upload(server, '1') })).toBe(200);
  expect(await open(await ticketFor(server))).toBe(200);
});

/** A connection with a token, which stays; the one that the ticket came by may not have ended yet. */
async function theOnlyConnection(server: BusServer): Promise<Socket> {
  for (;;) {
    const socket = connectTo(Number(new URL(server.url).port), '127.0.0.1');
    afterwards(() => socket.destroy());
    socket.write(`GET /v1/stream HTTP/1.1\r\nHost: bus\r\nAuthorization: Bearer ${kAlice}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    if (answer.includes('HTTP/1.1 200')) return socket;
    socket.destroy();
  }
}

test('what the server cannot serve now does not end it', async () => {
  const server = await BusServer.start({ settings: { reactors: '1', connections_max: '1' } });
  const ticket = await ticketFor(server);
  const other = await theOnlyConnection(server);
  const page = new Page(`${server.url}/v1/stream?ticket=${ticket}`, ['photo.uploaded']);
  await once(page.source, 'error'); // it was answered, by a stream that ended
  expect(page.source.readyState).toBe(EventSource.CONNECTING);

  other.destroy();

  await page.open();
});

test('what cannot pass is an event that says so, and so is the end of the token', async () => {
  const server = await BusServer.start({ settings: { jwt_clock_skew: '0s' } });
  const refused = new Page(`${server.url}/v1/stream?topic=photo:1&ticket=${await ticketFor(server)}`, ['stream.refused']);
  expect(await refused.told.atLeast(1)).toMatchObject([{ data: { code: 'forbidden' } }]);
  const unknown = new Page(`${server.url}/v1/stream?ticket=nonsense`, ['stream.refused']);
  expect(await unknown.told.atLeast(1)).toMatchObject([{ data: { code: 'unauthorized' } }]);

  const brief = userToken('alice', { exp: Math.floor(Date.now() / 1_000) + 2 });
  const page = new Page(`${server.url}/v1/stream?ticket=${await ticketFor(server, brief)}`, ['token.expired']);
  expect(await page.told.atLeast(2)).toMatchObject([{ data: { code: 'token_expired' } }, { data: { code: 'token_expired' } }]); // the end, and the refusal when it came back
});

test('a stream ends with its token, and comes back by itself with the cookie that the page has renewed', async () => {
  const server = await BusServer.start({ settings: { jwt_clock_skew: '0s' } });
  const jar = new CookieJar(server, userToken('alice', { exp: Math.floor(Date.now() / 1_000) + 3 }));
  const page = await new Page(`${await jar.open()}/v1/stream`, ['photo.uploaded', 'token.expired']).open();
  const offsets = [await upload(server, '1')];
  await page.told.atLeast(1);
  jar.token = kAlice;

  await page.told.until((all) => all.some(({ type }) => type === 'token.expired'));
  offsets.push(await upload(server, '2')); // while it is away

  await page.told.atLeast(3);
  offsets.push(await upload(server, '3'));
  const told = await page.told.atLeast(4);
  expect(told.map(({ type }) => type)).toEqual(['photo.uploaded', 'token.expired', 'photo.uploaded', 'photo.uploaded']);
  expect(told.filter(({ type }) => type === 'photo.uploaded').map(({ lastEventId }) => lastEventId)).toEqual(offsets);
  expect(page.source.readyState).toBe(EventSource.OPEN);
  expect(jar.requests).toBe(2);
});
