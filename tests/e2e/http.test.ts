// Requests that are odd, old or compressed: what RFC 9110 and 9112 ask for, byte for byte.
import { connect as connectTo } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

import { connect } from './support/clients.js';
import { afterwards } from './support/clean-up.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kApi = { authorization: `Bearer ${serviceToken('api')}` };
const kAlice = userToken('alice');
const kUpload = { type: 'photo.uploaded', data: { photoId: '123', userId: 'alice' } };

let server: BusServer;

async function started(settings: Record<string, string> = {}): Promise<BusServer> {
  return (server = await BusServer.start({ settings }));
}

/** A TCP connection that says `request`. */
function say(request: string) {
  const socket = connectTo(Number(new URL(server.url).port), '127.0.0.1');
  afterwards(() => socket.destroy());
  socket.write(request);
  return socket;
}

/** All that comes back until the server closes. */
const answerTo = (request: string) => text(say(request));

async function publish(headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
  return fetch(`${server.url}/v1/events`, { method: 'POST', headers: { ...kApi, ...headers }, body });
}

test('a stream in HTTP/1.0 is not chunked, and each event comes whole', async () => {
  await started();
  const socket = say(`GET /v1/stream HTTP/1.0\r\nAuthorization: Bearer ${kAlice}\r\n\r\n`);
  let received = '';
  const comes = (what: string) =>
    new Promise<void>((resolve) => {
      const look = () => (received.includes(what) ? resolve() : undefined);
      socket.on('data', look);
      look();
    });
  socket.on('data', (bytes) => (received += String(bytes)));
  await comes('\r\n\r\n');

  const { offset } = (await (await publish({ 'content-type': 'application/json' }, JSON.stringify(kUpload))).json()) as { offset: string };
  await comes('"photoId"');

  const [head, body] = received.split(/\r\n\r\n(.*)/s) as [string, string];
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(head).not.toMatch(/transfer-encoding/i);
  expect(head).toMatch(/^connection: close$/im);
  expect(body).toContain(`id: ${offset}\nevent: photo.uploaded\ndata: {`);
  expect(body).not.toMatch(/\r/);
});

test('an upgrade in HTTP/1.0 is ignored, and one with two keys is refused', async () => {
  await started();
  const upgrade = (version: string, more = '') =>
    answerTo(
      `GET /socket.io/?EIO=4&transport=websocket HTTP/${version}\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`,
    );

  expect(await upgrade('1.0')).toMatch(/^HTTP\/1\.1 400 .*\{"code":3,"message":"Bad request"\}$/s);
  expect(await upgrade('1.1', 'Sec-WebSocket-Key: bm90IHRoZSBzYW1lIGtleQ==\r\n')).toMatch(/^HTTP\/1\.1 400 /);
});

test('405 names the methods of the path, and the answer to HEAD has no body', async () => {
  await started();
  const methods: [string, string][] = [
    ['/v1/events', 'POST, OPTIONS'],
    ['/v1/tickets', 'POST, OPTIONS'],
    ['/v1/stream', 'GET, OPTIONS'],
    ['/healthz', 'GET, HEAD, OPTIONS'],
    ['/readyz', 'GET, HEAD, OPTIONS'],
    ['/metrics', 'GET, HEAD, OPTIONS'],
    ['/socket.io/?EIO=4&transport=polling', 'GET, POST, OPTIONS'],
  ];
  for (const [path, allow] of methods) {
    const answer = await answerTo(`TRACE ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer, path).toMatch(/^HTTP\/1\.1 405 /);
    expect(answer, path).toContain(`\r\nAllow: ${allow}\r\n`);
  }
  for (const path of ['/v1/events', '/v1/tickets', '/v1/stream']) {
    const answer = await answerTo(`HEAD ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer, path).toMatch(/^HTTP\/1\.1 405 .*\r\nAllow: .*\r\n\r\n$/s);
  }
  expect(await answerTo('DELETE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /);
  expect(await answerTo('TRACE /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
});

test('the admin address takes GET and HEAD alone', async () => {
  await started({ admin_listen: '127.0.0.1:0' });
  const admin = /admin\D*(127\.0\.0\.1:\d+)/.exec(server.output)![1]!;

  for (const path of ['/metrics', '/healthz', '/readyz']) {
    const refused = await fetch(`http://${admin}${path}`, { method: 'POST' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await fetch(`http://${admin}${path}`, { method: 'HEAD' })).status).toBe(200);
  }
  for (const request of [{}, { method: 'POST' }, { method: 'POST', body: JSON.stringify(kUpload) }]) {
    const refused = await fetch(`http://${admin}/v1/events`, request);
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ code: 'not_found', detail: expect.stringContaining('events are at the address of the setting `listen`') as string });
  }
});

test('a compressed body is refused with what is taken, and what follows is served', async () => {
  await started();
  const json = JSON.stringify(kUpload);

  const refused = await publish({ 'content-type': 'application/json', 'content-encoding': 'gzip' }, Uint8Array.from(gzipSync(json)));

  expect([refused.status, refused.headers.get('accept-encoding')]).toEqual([415, 'identity']);
  expect(await refused.json()).toMatchObject({ code: 'unsupported_media_type' });
  expect((await publish({ 'content-type': 'application/json', 'content-encoding': 'identity' }, json)).status).toBe(200);
});

test('the type alone says which mode of CloudEvents it is, in any case', async () => {
  await started();
  const alice = await connect(server, kAlice);
  const event = { specversion: '1.0', id: '1', source: 'https://uploads.example/eu', ...kUpload, datacontenttype: 'Application/JSON' };
  const stray = { 'ce-specversion': '1.0', 'ce-id': 'stray', 'ce-source': 'stray', 'ce-type': 'photo.shared' };

  expect((await publish({ ...stray, 'content-type': 'Application/CloudEvents+JSON; charset=UTF-8' }, JSON.stringify(event))).status).toBe(200);
  expect((await publish({ ...stray, 'content-type': 'application/cloudevents-batch+json' }, JSON.stringify([{ ...event, id: '2' }]))).status).toBe(200);
  const binary = { 'ce-specversion': '1.0', 'ce-id': '3', 'ce-source': event.source, 'ce-type': kUpload.type };
  expect((await publish({ ...binary, 'content-type': 'Application/JSON' }, JSON.stringify(kUpload.data))).status).toBe(200);
  expect((await publish({ ...binary, 'content-type': 'application/cloudevents+avro' }, JSON.stringify(kUpload.data))).status).toBe(415);

  const events = await alice.events.atLeast(3);
  expect(events.map(({ meta }) => [meta.id, meta.type])).toEqual([1, 2, 3].map((id) => [`${id}`, kUpload.type]));
});

test('a publisher that closes its side gets its answer', async () => {
  await started();
  const body = JSON.stringify(kUpload);
  const socket = say(
    `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: ${kApi.authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  socket.end();
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 .*"offset"/s);
});
