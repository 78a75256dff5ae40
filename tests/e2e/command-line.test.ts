// `eventbus publish` and `eventbus tail`, as programs, against a server that speaks TLS, and one that does not.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';

import { expect, test } from 'vitest';

import { CertificateFiles } from './support/certificates.js';
import { afterwards } from './support/clean-up.js';
import { Seen } from './support/seen.js';
import { BusServer, kBinary } from './support/server.js';
import { serviceToken } from './support/tokens.js';

const kPublish = ['publish', 'photo.uploaded', 'photoId=123', 'userId=alice', 'filename=vacation.jpg'];

/** The program; its environment is empty but for a token and `environment`. */
class Eventbus {
  readonly lines = new Seen<string>();
  readonly errors = new Seen<string>();
  readonly code: Promise<number | null>;

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    const child = spawn(kBinary, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { EVENT_BUS_TOKEN: serviceToken('api'), ...environment } });
    this.code = once(child, 'exit').then(([code]) => code as number | null);
    for (const [stream, seen] of [[child.stdout, this.lines], [child.stderr, this.errors]] as const) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        lines.forEach(seen.add);
      });
    }
    afterwards(() => child.kill());
  }
}

/** A pipe that nobody has opened. */
function pipe(): string {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-pipe-'));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  return join(folder, 'pipe');
}

/** What the program says when it fails. */
async function refusal(args: readonly string[], environment: Record<string, string> = {}, code = 1): Promise<string> {
  const eventbus = new Eventbus(args, environment);
  expect(await eventbus.code).toBe(code);
  expect(eventbus.lines.things).toEqual([]);
  return (await eventbus.errors.atLeast(1)).join('\n');
}

test('publish and tail speak TLS to a server whose authority --cacert names', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const to = ['--url', server.url, '--cacert', files.certificate];
  const tail = new Eventbus(['tail', 'photo.**', '--json', '--count', '2', ...to]);
  await tail.errors.until((lines) => lines.some((line) => line.includes('following')));

  const large = `${server.data}/large.json`;
  writeFileSync(large, JSON.stringify({ photoId: '7', userId: 'alice', filename: 'x'.repeat(500_000) }));
  expect(await new Eventbus([...kPublish, ...to]).code).toBe(0);
  expect(await new Eventbus(['publish', 'photo.uploaded', '--data', `@${large}`, ...to]).code).toBe(0);

  expect(await tail.code).toBe(0);
  const data = (await tail.lines.atLeast(2)).map((line) => JSON.parse(line).data);
  expect(data).toMatchObject([{ filename: 'vacation.jpg' }, { filename: 'x'.repeat(500_000) }]);
});

test.each(['EVENT_BUS_CACERT', 'SSL_CERT_FILE'])('the authority may stand in %s', async (variable) => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  expect(await new Eventbus([...kPublish, '--url', server.url], { [variable]: files.certificate }).code).toBe(0);
});

test('tail goes on over TLS when the server has come back', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const to = ['--url', server.url, '--cacert', files.certificate];
  const tail = new Eventbus(['tail', '--count', '2', ...to]);
  await tail.errors.until((lines) => lines.some((line) => line.includes('following')));
  await new Eventbus([...kPublish, ...to]).code;
  await tail.lines.atLeast(1);

  await server.kill();
  await tail.errors.until((lines) => lines.some((line) => line.includes('interrupted')));
  await server.up();
  expect(await new Eventbus([...kPublish, ...to]).code).toBe(0);

  expect(await tail.code).toBe(0);
});

test('a server whose authority nobody knows is refused', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  for (const command of [kPublish, ['tail']]) {
    const why = await refusal([...command, '--url', server.url]);
    expect(why).toMatch(/is signed by "CN=eventbus test", which this machine does not trust; .*--cacert FILE or EVENT_BUS_CACERT/);
  }
  const other = new CertificateFiles();
  expect(await refusal([...kPublish, '--url', server.url, '--cacert', other.certificate])).toMatch(`is not in ${other.certificate}`);
});

test('nothing is sent to a server that is not trusted', async () => {
  const files = new CertificateFiles();
  const sent = new Seen<Buffer>();
  const server = createTlsServer({ key: readFileSync(files.key), cert: files.ca }, (socket) => socket.on('data', sent.add));
  server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const closed = once(server, 'tlsClientError');

  await refusal([...kPublish, '--url', `https://127.0.0.1:${(server.address() as AddressInfo).port}`]);

  await closed;
  server.close();
  expect(sent.things).toEqual([]);
});

test('a server may be named by a name of its certificate', async () => {
  const files = new CertificateFiles();
  files.renew('DNS:localhost');
  const server = await BusServer.start({ settings: files.settings });
  const url = server.url.replace('127.0.0.1', 'localhost');
  expect(await new Eventbus([...kPublish, '--url', url, '--cacert', files.certificate]).code).toBe(0);
});

test('a certificate for another name is refused, and the names that it is for are said', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const url = server.url.replace('127.0.0.1', 'localhost');
  expect(await refusal([...kPublish, '--url', url, '--cacert', files.certificate])).toContain('is for 127.0.0.1, and not for localhost; name the server in --url');
});

test('a certificate that has expired is refused, and the day is said', async () => {
  const files = new CertificateFiles();
  files.expire();
  const server = await BusServer.start({ settings: files.settings });
  expect(await refusal([...kPublish, '--url', server.url, '--cacert', files.certificate])).toContain('has expired on 2020-02-01; have the server\'s certificate renewed');
});

test('a file that holds no authority is named', async () => {
  const files = new CertificateFiles();
  writeFileSync(files.key, 'no certificate');
  const to = ['--url', 'https://127.0.0.1:1', '--cacert'];
  expect(await refusal([...kPublish, ...to, files.key])).toContain(`the file ${files.key} holds no certificate of an authority`);
  expect(await refusal([...kPublish, ...to, '/nowhere'], {}, 2)).toContain('the file of authorities /nowhere cannot be read: No such file');
  const fifo = pipe();
  expect(await refusal([...kPublish, ...to, fifo], {}, 2)).toContain(`the file of authorities ${fifo} is a pipe or a device that did not end within 3 s`);
});

test('a pipe of authorities is read once, though tail connects again', async () => {
  const files = new CertificateFiles();
  const server = await BusServer.start({ settings: files.settings });
  const tail = spawn('bash', ['-c', `exec "${kBinary}" tail --count 2 --url ${server.url} --cacert <(cat "${files.certificate}")`], { env: { PATH: process.env.PATH, EVENT_BUS_TOKEN: serviceToken('api') } });
  afterwards(() => tail.kill('SIGKILL'));
  const ended = new Promise((resolve) => tail.on('exit', resolve));
  const errors = new Seen<string>();
  tail.stderr.setEncoding('utf8').on('data', errors.add);
  const lines = new Seen<string>();
  tail.stdout.setEncoding('utf8').on('data', lines.add);
  const publish = () => new Eventbus([...kPublish, '--url', server.url, '--cacert', files.certificate]).code;
  await errors.until((all) => all.join('').includes('following'));
  await publish();
  await lines.atLeast(1);
  await server.kill();
  await errors.until((all) => all.join('').includes('interrupted'));
  await server.up();
  expect(await publish()).toBe(0);
  expect(await ended).toBe(0);
});

test('data comes from a pipe, however slow, and what is waited for is said', async () => {
  const server = await BusServer.start();
  const publish = (data: string) => spawn('bash', ['-c', `"${kBinary}" publish photo.uploaded --url ${server.url} --data ${data}`], { env: { PATH: process.env.PATH, EVENT_BUS_TOKEN: serviceToken('api') } });
  const json = '{"photoId":"1","userId":"alice","filename":"a.jpg"}';
  expect(await new Promise((resolve) => publish(`@<(echo '${json}')`).on('exit', resolve))).toBe(0);

  const fifo = pipe();
  const slow = publish(`@${fifo}`);
  afterwards(() => slow.kill('SIGKILL'));
  const ended = new Promise((resolve) => slow.on('exit', resolve));
  const errors = new Seen<string>();
  slow.stderr.setEncoding('utf8').on('data', errors.add);
  await errors.until((lines) => lines.join('').includes(`waiting for ${fifo}, a pipe or a device`));
  writeFileSync(fifo, json);
  expect(await ended).toBe(0);
});

test('HTTP on a port of TLS, and TLS on a port of HTTP, are told apart', async () => {
  const files = new CertificateFiles();
  const tls = await BusServer.start({ settings: files.settings });
  const plain = await BusServer.start();
  expect(await refusal([...kPublish, '--url', tls.url.replace('https', 'http')])).toMatch(/speaks TLS; write https:\/\//);
  expect(await refusal(['tail', '--url', tls.url.replace('https', 'http')])).toMatch(/speaks TLS; write https:\/\//);
  expect(await refusal([...kPublish, '--url', plain.url.replace('http', 'https')])).toMatch(/does not speak TLS; write http:\/\//);
});

test.each([
  ['an alert of TLS', Buffer.from('15030300020232', 'hex'), 'http', /speaks TLS; write https:/],
  ['nothing at all', Buffer.alloc(0), 'https', /ends the connection before TLS is set up/],
])('a port that answers with %s is understood', async (_name, answer, scheme, says) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(() => server.close());
  expect(await refusal([...kPublish, '--url', `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`])).toMatch(says);
});
