// The balancers in front of the server: the PROXY protocol and X-Forwarded-For, as real clients meet them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { expect, test } from 'vitest';

import { CertificateFiles } from './support/certificates.js';
import { afterwards } from './support/clean-up.js';
import { connect, PlainClient } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kTrusted = { trusted_proxies: '127.0.0.0/8', log_level: 'debug' };
const kUpload = { photoId: '123', userId: 'alice', filename: 'vacation.jpg' };

/** A balancer that passes bytes on behind `header`; gives where it listens. */
async function balancer(server: BusServer, header: Uint8Array): Promise<string> {
  const target = Number(new URL(server.url).port);
  const listening = createServer((client) => {
    const behind = connectTcp(target, '127.0.0.1');
    behind.write(header);
    client.pipe(behind).pipe(client);
    for (const socket of [client, behind]) socket.on('error', () => (client.destroy(), behind.destroy()));
    afterwards(() => (client.destroy(), behind.destroy()));
  }).listen(0, '127.0.0.1');
  afterwards(() => listening.close());
  await once(listening, 'listening');
  return `${new URL(server.url).protocol}//127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

/** The same server, by another way to it. */
const by = (server: BusServer, url: string): BusServer => Object.create(server, { url: { value: url } }) as BusServer;

/** Waits until the log says it. */
async function logged(server: BusServer, what: RegExp): Promise<void> {
  while (!what.test(server.output)) await new Promise((resolve) => setImmediate(resolve));
}

const kVersion2 = Uint8Array.from([0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 4, 1, 0xbb]);

test.each([
  ['version 1', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n')],
  ['version 2', kVersion2],
])('clients come through a balancer that speaks the PROXY protocol, %s', async (_name, header) => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: { ...files.settings, ...kTrusted, proxy_protocol: 'on' } });
  const way = by(server, await balancer(server, header));
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    const alice = await connect(way, userToken('alice'), { transports, ca: files.ca });
    const api = await connect(way, serviceToken('api'), { transports, ca: files.ca });
    expect(await api.ask('publish', { type: 'photo.uploaded', data: kUpload })).toMatchObject({ ok: true });
    await alice.events.atLeast(1);
    alice.socket.disconnect();
  }

  const { socket } = new PlainClient(way, 'gibberish', { transports: ['websocket'], ca: files.ca });
  await new Promise((resolve) => socket.once('connect_error', resolve));
  await logged(server, /a sign-in was refused client=192\.0\.2\.1 why=unauthorized/);
});

test('who does not begin with it is closed, and the log names what to fix', async () => {
  const server = await BusServer.start({ settings: { ...kTrusted, proxy_protocol: 'on' } });
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  await logged(server, /warning .*fix the balancer, or proxy_protocol and trusted_proxies.* from=127\.0\.0\.1/);
});

test("curl's own PROXY protocol is understood", async () => {
  const server = await BusServer.start({ settings: { ...kTrusted, proxy_protocol: 'on' } });
  const curl = spawn('curl', ['-sS', '--haproxy-protocol', `${server.url}/healthz`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  curl.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  await once(curl, 'close');
  expect(JSON.parse(text)).toEqual({ status: 'ok' });
});

test('X-Forwarded-For counts from a trusted proxy only', async () => {
  const trusting = await BusServer.start({ settings: kTrusted });
  const other = await BusServer.start({ settings: { ...kTrusted, trusted_proxies: '10.0.0.0/8' } });
  for (const server of [trusting, other]) {
    const answer = await fetch(`${server.url}/v1/stream?topic=photo.**`, { headers: { authorization: 'Bearer gibberish', 'x-forwarded-for': '198.51.100.9, 192.0.2.1' } });
    expect(answer.status).toBe(401);
  }
  await logged(trusting, /a request's token was refused client=192\.0\.2\.1 /);
  await logged(other, /a request's token was refused client=127\.0\.0\.1 /);
});
