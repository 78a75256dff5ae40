// TLS that the server itself speaks: real clients over wss and https, and a certificate that is exchanged.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { expect, test } from 'vitest';

import { CertificateFiles } from './support/certificates.js';
import { afterwards } from './support/clean-up.js';
import { connect, PlainClient, sdk } from './support/clients.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kAlice = userToken('alice');
const kApi = serviceToken('api');
const kUpload = { photoId: '123', userId: 'alice', filename: 'vacation.jpg' };

/** Debian's curl; gives what it writes, as it comes. */
function curl(files: CertificateFiles, url: string, args: readonly string[]): Seen<string> {
  const seen = new Seen<string>();
  const child = spawn('curl', ['-sSN', '--cacert', files.certificate, '-H', `authorization: Bearer ${kApi}`, ...args, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8').on('data', seen.add);
  afterwards(() => child.kill());
  return seen;
}

/** The number of the certificate that a new connection is shown. */
function serialOf(server: BusServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: Number(new URL(server.url).port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test.each([
  ['WebSocket', { transports: ['websocket'] }],
  ['polling', { transports: ['polling'] }],
  ['polling, then the upgrade', { transports: ['polling', 'websocket'] }],
])('events, acknowledgements and order over TLS and %s', async (_name, options) => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: { ...files.settings, reactors: '2' } });
  const alice = await connect(server, kAlice, { ...options, ca: files.ca });
  const api = await connect(server, kApi, { ...options, ca: files.ca });

  const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => api.ask('publish', { type: 'photo.uploaded', data: { ...kUpload, photoId: `${n}` } })));

  expect(answers.every(({ ok }) => ok)).toBe(true);
  const events = await alice.events.atLeast(300);
  expect(events.map(({ data }) => data.photoId)).toEqual(Array.from({ length: 300 }, (_, n) => `${n}`));
});

test('a large event passes both ways on both transports over TLS', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const filename = 'x'.repeat(500_000);
  for (const transport of ['websocket', 'polling']) {
    const alice = await connect(server, kAlice, { transports: [transport], ca: files.ca });
    const api = await connect(server, kApi, { transports: [transport], ca: files.ca });

    expect(await api.ask('publish', { type: 'photo.uploaded', data: { ...kUpload, filename } })).toMatchObject({ ok: true });

    expect((await alice.events.atLeast(1))[0]!.data.filename).toBe(filename);
    alice.socket.disconnect();
  }
});

test('a client that does not trust the certificate is not connected', async () => {
  const server = await BusServer.start({ settings: new CertificateFiles().settings });
  const { socket } = new PlainClient(server, kAlice, { transports: ['websocket'], reconnection: false });
  await new Promise((resolve) => socket.once('connect_error', resolve));
  expect(socket.connected).toBe(false);
});

test('a new certificate is shown to new connections, and those that are open go on', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const first = await serialOf(server);
  const bus = sdk(server, kAlice, { socketOptions: { ca: files.ca } });
  const seen = new Seen<string>();
  const isConnected = new Promise<void>((resolve) => bus.onState(({ status }) => (status === 'live' ? resolve() : undefined)));
  bus.on('photo.uploaded', (event) => seen.add(String(event.photoId)));
  await isConnected;
  const api = await connect(server, kApi, { ca: files.ca });
  const publish = (photoId: string) => api.ask('publish', { type: 'photo.uploaded', data: { ...kUpload, photoId } });
  await publish('before');
  await seen.atLeast(1);

  writeFileSync(files.key, 'no key');
  await server.reload(/the old one stays/);
  expect(server.output).toContain(files.key);
  expect(await serialOf(server)).toBe(first);

  files.renew();
  await server.reload(/certificate was read again/);
  while ((await serialOf(server)) === first);  // each reactor is told on its own
  await publish('after');

  expect(await seen.atLeast(2)).toEqual(['before', 'after']);
});

test('curl publishes and follows over TLS', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const stream = curl(files, `${server.url}/v1/stream?topic=photo.**`, []);
  await stream.atLeast(1);

  const event = JSON.stringify({ type: 'photo.uploaded', data: kUpload });
  const [answer] = await curl(files, `${server.url}/v1/events`, ['-H', 'content-type: application/json', '-d', event]).atLeast(1);

  expect(JSON.parse(answer!)).toMatchObject({ id: expect.any(String), offset: expect.any(String) });
  await stream.until((texts) => texts.join('').includes('vacation.jpg'));
});

test('plain HTTP on the TLS port is told what to speak', async () => {
  const server = await BusServer.start({ settings: new CertificateFiles().settings });
  const answer = await fetch(server.url.replace('https', 'http'));
  expect(answer.status).toBe(400);
  expect(await answer.text()).toBe('this port speaks TLS: use https:// or wss:// here\n');
});

test('a connection that says nothing, or half a greeting, is closed in time', async () => {
  const server = await BusServer.start({ settings: { ...new CertificateFiles().settings, header_timeout: '300ms' } });
  for (const greeting of ['', '\x16\x03\x01']) {
    const socket = connectTcp(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(greeting));
    afterwards(() => socket.destroy());
    await new Promise<void>((resolve) => socket.resume().on('close', () => resolve()).on('error', () => undefined));
  }
});

test.each([
  ['a certificate that is none', 'certificate', /the certificate .* holds no certificate/],
  ['a key that is none', 'key', /the TLS key .* holds no private key/],
] as const)('the server does not start with %s, and says which file it is', async (_name, which, says) => {
  const files = new CertificateFiles();
  writeFileSync(files[which], 'nothing of use');
  await expect(BusServer.start({ settings: files.settings })).rejects.toThrow(says);
});
