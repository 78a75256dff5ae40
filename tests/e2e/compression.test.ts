// permessage-deflate: what is large is compressed for those who agreed, and everybody sees the same.
import { beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { afterwards } from './support/clean-up.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kFilename = `${'vacation '.repeat(1000)}.jpg`;

let server: BusServer;

beforeEach(async () => {
  server = await BusServer.start();
});

/** A raw Socket.IO client, so that the bytes on the wire can be counted. */
async function join(perMessageDeflate: boolean): Promise<{ extensions: string; next: () => Promise<string>; bytes: () => number }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate });
  afterwards(() => socket.terminate());
  const messages: string[] = [];
  let wake = () => {};
  socket.on('message', (data) => {
    messages.push(data.toString());
    wake();
  });
  const next = async () => {
    while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return messages.shift()!;
  };
  expect(await next()).toMatch(/^0\{/);
  socket.send(`40${JSON.stringify({ token: userToken('alice') })}`);
  expect(await next()).toMatch(/^40\{/);
  const tcp = (socket as unknown as { _socket: { bytesRead: number } })._socket;
  return { extensions: socket.extensions, next, bytes: () => tcp.bytesRead };
}

test('a large event is smaller on the wire for who agreed, and the same for all', async () => {
  const deflated = await join(true);
  const plain = await join(false);
  expect(deflated.extensions).toContain('permessage-deflate');
  expect(plain.extensions).toBe('');
  const before = [deflated.bytes(), plain.bytes()] as const;

  const response = await fetch(`${server.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serviceToken('api')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'photo.uploaded', data: { photoId: '123', userId: 'alice', filename: kFilename } }),
  });
  expect(response.status).toBe(200);

  const seen = await deflated.next();
  expect(await plain.next()).toBe(seen);
  expect(JSON.parse(seen.slice(2))[1]).toMatchObject({ filename: kFilename });
  expect(plain.bytes() - before[1]).toBeGreaterThan(kFilename.length);
  expect(deflated.bytes() - before[0]).toBeLessThan(kFilename.length / 10);
});

test('a compressed message from a client is read, and one that grows past the limit ends its connection', async () => {
  const publisher = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: { threshold: 0 } });
  afterwards(() => publisher.terminate());
  const messages: string[] = [];
  publisher.on('message', (data) => messages.push(data.toString()));
  const closed = new Promise<number>((resolve) => publisher.on('close', resolve));
  await expect.poll(() => messages.length).toBe(1);
  publisher.send(`40${JSON.stringify({ token: serviceToken('api') })}`);
  await expect.poll(() => messages.length).toBe(2);

  publisher.send(`421${JSON.stringify(['publish', { type: 'photo.uploaded', data: { photoId: '1', userId: 'alice', filename: kFilename } }])}`);
  await expect.poll(() => messages.length).toBe(3);
  expect(messages[2]).toMatch(/^431\[\{"ok":true/);

  publisher.send(`42${JSON.stringify(['publish', 'x'.repeat(20_000_000)])}`); // 20 MB in 20 kB
  expect(await closed).toBe(1009);
});
