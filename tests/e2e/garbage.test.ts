// What nobody should send: each gets a clear answer or a clean close, and the others notice nothing.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { PlainClient } from './support/clients.js';
import { connect, sdk } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kHead = 'Host: 127.0.0.1\r\n';
const kUpgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n`;
const kSocket = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n';

let server: BusServer;
let witness: PlainClient;
let count = 0;

beforeEach(async () => {
  server = await BusServer.start({ settings: { header_timeout: '500ms', body_timeout: '500ms', connect_timeout: '500ms' } });
  witness = await connect(server, userToken('alice'));
});

// The server lives, and serves who was there before.
afterEach(async () => {
  const { id } = await sdk(server, serviceToken('api')).publish('photo.uploaded', { photoId: `${++count}`, userId: 'alice', filename: 'f' });
  await witness.events.until((all) => all.some(({ meta }) => meta.id === id));
});

type Piece = string | Buffer | RegExp;

// Sends the pieces, waits at each pattern until the answer holds it, and gives everything that came
// until the server closed.
async function send(...pieces: Piece[]): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connectTcp(Number(port), hostname);
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes.toString('latin1')));
  socket.on('error', () => {}); // a reset is a close, too
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (!(piece instanceof RegExp)) socket.write(piece);
    else while (!piece.test(answer) && !socket.closed) await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  }
  if (!socket.closed) await once(socket, 'close');
  return answer;
}

function frame(opcode: number, payload: string | Buffer, { masked = true, fin = true } = {}): Buffer {
  const body = Buffer.from(payload);
  const head = body.length < 126 ? Buffer.from([(fin ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | body.length]) : Buffer.from([(fin ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | 126, body.length >> 8, body.length & 0xff]);
  return masked ? Buffer.concat([head, Buffer.alloc(4), body]) : Buffer.concat([head, body]);
}

test.each<[string, string[], RegExp]>([
  ['a head that is no HTTP', ['hello\r\n\r\n'], /^HTTP\/1\.1 400 /],
  ['a head without Host', ['GET /healthz HTTP/1.1\r\n\r\n'], /^HTTP\/1\.1 400 /],
  ['two lengths', [`POST /v1/events HTTP/1.1\r\n${kHead}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`], /^HTTP\/1\.1 400 /],
  ['length and chunks', [`POST /v1/events HTTP/1.1\r\n${kHead}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`], /^HTTP\/1\.1 (400|501) /],
  ['an endless head', [`GET / HTTP/1.1\r\n${kHead}X: ${'x'.repeat(100_000)}`], /^HTTP\/1\.1 431 /],
  ['half a head, and then nothing', ['GET /socket.io/?EIO=4&transp'], /^(HTTP\/1\.1 408 |$)/],
  ['a body that never comes', [`POST /v1/events HTTP/1.1\r\n${kHead}Content-Length: 100\r\n\r\n{`], /^(HTTP\/1\.1 (408|401) |$)/],
  ['a body of 10 MB', [`POST /v1/events HTTP/1.1\r\n${kHead}Authorization: Bearer ${serviceToken('api')}\r\nContent-Length: 10000000\r\n\r\n`, 'x'.repeat(1_000_000)], /^HTTP\/1\.1 413 /],
  ['a body that nobody takes', [`GET /healthz HTTP/1.1\r\n${kHead}Content-Length: 1025\r\n\r\n`], /^HTTP\/1\.1 413 /],
  ['an upgrade with a wrong version', [`${kSocket}${kHead}${kUpgrade.replace('13', '12')}\r\n`], /^HTTP\/1\.1 (400|426) /],
])('%s is answered and closed', async (_name, pieces, answer) => {
  expect(await send(...pieces)).toMatch(answer);
});

test('random bytes are closed', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, n) => send(randomBytes(10 + n * 50), '\r\n\r\n')));
});

test.each<[string, (string | Buffer)[]]>([
  ['an unmasked frame', [frame(1, '40', { masked: false })]],
  ['a reserved opcode', [frame(3, 'x')]],
  ['text that is no UTF-8', [frame(1, Buffer.from([0x34, 0x30, 0xff]))]],
  ['a fragmented ping', [frame(9, 'x', { fin: false })]],
  ['an event before CONNECT', [frame(1, '42["publish",{}]')]],
  ['a packet of an unknown type', [frame(1, '9')]],
  ['an empty packet', [frame(1, '')]],
  ['a CONNECT that is no JSON', [frame(1, '40{"token":')]],
  ['nothing after the upgrade', []],
  ['half a frame', [Buffer.from([0x81])]],
])('a WebSocket that sends %s is closed', async (_name, frames) => {
  const answer = await send(`${kSocket}${kHead}${kUpgrade}\r\n`, ...frames);

  expect(answer).toMatch(/^HTTP\/1\.1 101 /);
});

test('a ping in the segment of the handshake is answered behind it', async () => {
  const answer = await send(Buffer.concat([Buffer.from(`${kSocket}${kHead}${kUpgrade}\r\n`), frame(9, 'are you there'), frame(8, Buffer.from([3, 232]))]));

  expect(answer).toMatch(/^HTTP\/1\.1 101 [^]*\x8a\x0dare you there/);
});

test.each<[string, string]>([
  ['no JSON', '42["publish",{]'],
  ['no list', '42{"publish":1}'],
  ['a reserved name', '42["connect"]'],
  ['deep nesting', `420["publish",${'['.repeat(1_000)}${']'.repeat(1_000)}]`],
  ['a lone surrogate', '420["publish",{"type":"photo.uploaded","data":{"x":"\\ud800"}}]'],
  ['a key twice', '420["publish",{"type":"photo.uploaded","type":"x","data":{}}]'],
])('after CONNECT, an event with %s is refused or closed, and reaches nobody', async (_name, packet) => {
  const before = witness.events.things.length;
  const connectPacket = frame(1, `40${JSON.stringify({ token: serviceToken('api') })}`);

  const answer = await send(`${kSocket}${kHead}${kUpgrade}\r\n`, connectPacket, /40\{"sid"/, frame(1, packet), frame(8, Buffer.from([3, 232])));

  expect(answer).toMatch(/"ok":false|parse error/);
  expect(witness.events.things).toHaveLength(before);
});
