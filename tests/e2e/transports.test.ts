// The newest socket.io-client over each transport, and what it is told when something is wrong.
import { expect, test } from 'vitest';

import { connect, PlainClient, sdk } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, sign, userToken } from './support/tokens.js';

const kAlice = userToken('alice');
const kUpload = { photoId: '123', userId: 'alice', filename: 'vacation.jpg' };

test.each([
  ['WebSocket', { transports: ['websocket'] }],
  ['polling', { transports: ['polling'] }],
  ['polling, then the upgrade', { transports: ['polling', 'websocket'] }],
])('events, acknowledgements and order over %s', async (_name, options) => {
  const server = await BusServer.start();
  const alice = await connect(server, kAlice, options);
  const api = await connect(server, serviceToken('api'), options);

  const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => api.ask('publish', { type: 'photo.uploaded', data: { ...kUpload, photoId: `${n}` } })));

  expect(answers.every(({ ok }) => ok)).toBe(true);
  const events = await alice.events.atLeast(300);
  expect(events.map(({ data }) => data.photoId)).toEqual(Array.from({ length: 300 }, (_, n) => `${n}`));
});

test('an answer to a poll holds at most 16 packets, and the next poll gets the rest at once', async () => {
  const server = await BusServer.start();
  const open = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse((await open.text()).slice(1)) as { sid: string };
  const session = `${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  const poll = async () => (await (await fetch(session)).text()).split('\x1e');
  await fetch(session, { method: 'POST', body: `40${JSON.stringify({ token: kAlice })}` });
  expect((await poll())[0]).toMatch(/^40/);
  const uploads = Array.from({ length: 60 }, (_, n) => ({ type: 'photo.uploaded', data: { ...kUpload, photoId: `${n}` } }));
  const published = await sdk(server, serviceToken('api')).publish(uploads);
  expect(published).toHaveLength(60);

  const photos: unknown[] = [];
  while (photos.length < uploads.length) {
    const packets = (await poll()).filter((packet) => packet !== '2');
    expect(packets.length).toBeLessThanOrEqual(16);
    photos.push(...packets.map((packet) => (JSON.parse(packet.slice(2)) as [string, { photoId: string }])[1].photoId));
  }
  expect(photos).toEqual(uploads.map(({ data }) => data.photoId));
});

test('upgrades lose and reorder nothing while events come in', async () => {
  const server = await BusServer.start();
  const api = sdk(server, serviceToken('api'));
  const clients = Array.from({ length: 10 }, () => new PlainClient(server, kAlice, { transports: ['polling', 'websocket'] }));
  const isUpgraded = ({ socket }: PlainClient) => socket.connected && socket.io.engine.transport.name === 'websocket';

  let count = 0;
  while (!clients.every(isUpgraded)) await api.publish('photo.uploaded', { ...kUpload, photoId: `${count++}` });
  await api.publish('photo.uploaded', { ...kUpload, photoId: `${count}` });

  for (const { events } of clients) {
    const all = await events.until((some) => some.at(-1)?.data.photoId === `${count}`);
    const first = Number(all[0]!.data.photoId);
    expect(all.map(({ data }) => data.photoId)).toEqual(Array.from({ length: count + 1 - first }, (_, n) => `${first + n}`));
  }
});

const kOrigin = 'https://photo-platform.com';  // an allowed one, by support/server.ts

test.each([
  ['no Origin', {}, {}],
  ['an origin that is not allowed', { origin: 'https://elsewhere.example' }, {}],
  ['an allowed origin where cookies sign nobody in', { origin: kOrigin }, { cookie_name: 'off' }],
])('over polling without a token, with %s, the refusal comes at once', async (_name, extraHeaders, settings) => {
  const server = await BusServer.start({ settings: { ...settings, connect_timeout: '10m' } });
  const refused = connect(server, undefined, { transports: ['polling'], extraHeaders });
  await expect(refused).rejects.toMatchObject({ data: { code: 'unauthorized' } });
});

test('over polling without a token, a page of the server itself is refused at once', async () => {
  const first = await BusServer.start();
  const { url } = first;
  const server = await BusServer.start({ settings: { connect_timeout: '10m', allowed_origins: url } });
  await Promise.all([first.stop(), server.stop()]);
  await server.upAt(url);
  const refused = connect(server, undefined, { transports: ['polling'], extraHeaders: { origin: url } });
  await expect(refused).rejects.toMatchObject({ data: { code: 'unauthorized' } });
});

test('a page of an allowed origin may bring its cookie with the upgrade, and one that does not is refused at the end of the wait', async () => {
  const server = await BusServer.start({ settings: { connect_timeout: '500ms' } });
  const extraHeaders = { origin: kOrigin };
  const withCookie = { polling: { extraHeaders }, websocket: { extraHeaders: { ...extraHeaders, cookie: `eventbus_token=${kAlice}` } } };
  const alice = await connect(server, undefined, { transports: ['polling', 'websocket'], transportOptions: withCookie });
  expect(alice.socket.connected).toBe(true);

  const nobody = new PlainClient(server, undefined, { transports: ['polling'], extraHeaders });
  await expect(nobody.connected()).rejects.toMatchObject({ data: { code: 'unauthorized' } });
  expect(nobody.socket.active).toBe(false);  // it does not come back for the same
});

test('a large event passes both ways on both transports', async () => {
  const server = await BusServer.start();
  const filename = 'x'.repeat(500_000);
  for (const transport of ['websocket', 'polling']) {
    const alice = await connect(server, kAlice, { transports: [transport] });
    const api = await connect(server, serviceToken('api'), { transports: [transport] });

    expect(await api.ask('publish', { type: 'photo.uploaded', data: { ...kUpload, filename } })).toMatchObject({ ok: true });

    expect((await alice.events.atLeast(1))[0]!.data.filename).toBe(filename);
    alice.socket.disconnect();
  }
});

test.each([
  ['no token', undefined],
  ['no JWT', 'gibberish'],
  ['a wrong secret', sign({ sub: 'alice' }, { secret: 'another secret, also of 32 bytes!' })],
  ['no user and no service', sign({ name: 'alice' })],
  ['alg none', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"alice"}').toString('base64url')}.`],
])('a CONNECT with %s is refused with unauthorized', async (_name, token) => {
  const server = await BusServer.start();
  const client = new PlainClient(server, token, { transports: ['websocket'] });

  const refused = client.connected();

  await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(/./), data: { code: 'unauthorized' } });
});

test('a CONNECT with an expired token is refused with token_expired', async () => {
  const server = await BusServer.start();

  const refused = new PlainClient(server, userToken('alice', { exp: 1 }), { transports: ['websocket'] }).connected();

  await expect(refused).rejects.toMatchObject({ data: { code: 'token_expired' } });
});

test('every wrong command gets an answer, and the connection lives on', async () => {
  const server = await BusServer.start();
  const client = await connect(server, serviceToken('api'));
  const wrong: [command: string, ...args: unknown[]][] = [
    ['subscribe'],
    ['subscribe', null],
    ['subscribe', 7],
    ['subscribe', ''],
    ['subscribe', {}],
    ['subscribe', 'no such type'],
    ['subscribe', 'photo:'],
    ['subscribe', 'photo.uploaded', 'options'],
    ['subscribe', 'photo.uploaded', { group: 'NOT A GROUP' }],
    ['subscribe', 'photo.uploaded', { max_in_flight: -1 }],
    ['subscribe', 'counter:1', { since: 'nonsense' }],
    ['unsubscribe'],
    ['unsubscribe', []],
    ['publish'],
    ['publish', null],
    ['publish', 'photo.uploaded'],
    ['publish', []],
    ['publish', { type: 'photo.uploaded' }],
    ['publish', { type: 'photo.upload', data: {} }],
    ['publish', { type: 'photo.uploaded', data: [] }],
    ['publish', { type: 'photo.uploaded', data: {} }],
    ['publish', [{ type: 'photo.uploaded', data: kUpload }, { type: 7 }]],
    ['ack'],
    ['ack', 'no such delivery'],
    ['nack', {}],
    ['no such command', 1],
  ];

  for (const [command, ...args] of wrong) {
    const answer = await client.ask(command, ...args);
    expect(answer, JSON.stringify([command, ...args])).toMatchObject({ ok: false, error: { code: expect.stringMatching(/^[a-z_]+$/), message: expect.stringMatching(/./) } });
  }
  expect(await client.ask('publish', { type: 'photo.uploaded', data: kUpload })).toMatchObject({ ok: true, duplicate: false });
});

test('an unknown type is refused with the nearest that is known', async () => {
  const server = await BusServer.start();

  const answer = await (await connect(server, serviceToken('api'))).ask('publish', { type: 'photo.upload', data: {} });

  expect(answer).toMatchObject({ ok: false, error: { code: 'unknown_type', message: expect.stringContaining('photo.uploaded') } });
});

test('SIGTERM ends the server with 0, and clients come back to the next one and miss nothing', async () => {
  const server = await BusServer.start();
  const alice = await connect(server, kAlice);
  const api = sdk(server, serviceToken('api'));
  await api.publish('photo.uploaded', kUpload);
  const reasons: string[] = [];
  alice.socket.on('disconnect', (reason) => reasons.push(reason));

  expect(await server.stop()).toBe(0);
  const waiting = api.publish('photo.processing.completed', { photoId: '123' });
  await server.up();
  await waiting;

  const events = await alice.events.atLeast(2);
  expect(events.map(({ name }) => name)).toEqual(['photo.uploaded', 'photo:processing.completed']);
  expect(reasons).not.toContain('io server disconnect');
});

test('a second server on the port says so and ends', async () => {
  const server = await BusServer.start();
  const second = await BusServer.start();

  await second.kill();
  await expect(second.upAt(server.url)).rejects.toThrow(/`listen`: another process listens on .*choose another address/);
  await connect(server, kAlice);
});

test('a published event is answered over HTTP with its offset, and a page goes on from there', async () => {
  const server = await BusServer.start();
  const answer = await server.post('/v1/events', serviceToken('api'), { type: 'photo.uploaded', data: kUpload });
  const since = answer.headers.get('Event-Bus-Offset');
  expect(answer.ok).toBe(true);
  expect(await answer.json()).toMatchObject({ id: expect.any(String), offset: expect.any(String), duplicate: false });

  // Between the page's first load, which carried the offset, and its subscription:
  const worker = sdk(server, serviceToken('worker'));
  await worker.publish('photo.processing.completed', { photoId: '123', thumbnails: [] });
  const bob = sdk(server, userToken('bob', { permissions: ['watch:photo:123'] }));
  const types = new Promise<string>((resolve) => void bob.subscribe('photo:123', ({ type }) => resolve(type), { since: since! }));

  expect(await types).toBe('photo.processing.completed');
});
