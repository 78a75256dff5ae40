// The server under limits of the system: what it lacks is said, and connections do not take what stores need.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { Seen } from './support/seen.js';
import { kBinary } from './support/server.js';
import { kSecret, serviceToken } from './support/tokens.js';

const kCatalog = fileURLToPath(new URL('./support/catalog.yaml', import.meta.url));

// A sanitizer reserves terabytes of addresses at the start.
const hasSanitizer = /__[at]san_init/.test(readFileSync(kBinary, 'latin1'));

test.each([
  ['ulimit -n 24', /may have 24 files open here, .* takes \d+ at least; raise the limit/],
  ...(hasSanitizer ? [] : [['ulimit -v 200000', /raise the (memory limit|limits of memory)/] as const]),
] as const)('%s ends the start with what to raise', async (limit, sentence) => {
  const { exit, said } = start(limit);

  expect(await exit).toBe(1);
  expect(said()).toMatch(sentence);
});

test('connections beyond the limit of open files leave the log what it needs', async () => {
  const { ready, said, data } = start('ulimit -n 256');
  const url = await ready;
  expect(said()).toMatch(/fewer descriptors than connections_max; raise .*open_files_max=256 kept_for_stores=\d+ for_connections=\d+/);
  const kept = Number(/kept_for_stores=(\d+)/.exec(said())![1]);
  expect(filesOf(data)).toBeLessThan(kept);
  const first = await publish(url, 10);
  expect(first).toBe(200);

  const sockets = Array.from({ length: 400 }, () => connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {}));
  afterwards(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))));
  sockets.slice(0, 300).forEach((socket) => socket.destroy());  // there is room again, for some

  let status = 0;
  for (let at = 0; at < 20; ++at) {
    do status = await publish(url, 900_000).catch(() => 503);
    while (status === 503);
    expect(status).toBe(200);
  }
});

test('a limit of file sizes is a full disk and ends nothing', async () => {
  const { ready } = start('ulimit -f 2048'); // blocks of 1 KiB
  const url = await ready;

  let status = 200;
  for (let at = 0; at < 20 && status === 200; ++at) status = await publish(url, 200_000);

  expect(status).toBe(503);
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
});

test('with its standard descriptors closed nothing that it says goes into a file', async () => {
  const { data, exit } = start('exec 0<&- 1>&- 2>&-', 'timeout 3 ');
  await exit;

  const files = readdirSync(data, { recursive: true, encoding: 'utf8' }).map((name) => join(data, name)).filter((name) => statSync(name).isFile());
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((name) => /eventbus is ready|io_uring|stopping/.test(readFileSync(name, 'latin1')))).toEqual([]);
});

// How many files its stores may have open together, as RocksDB has noted it.
function filesOf(data: string): number {
  const options = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((name) => /\/OPTIONS-\d+$/.test(name));
  expect(options).toHaveLength(3);
  return options.reduce((sum, name) => sum + Number(/max_open_files=(\d+)/.exec(readFileSync(join(data, name), 'utf8'))![1]), 0);
}

// Starts the server from a shell that has run `before`.
function start(before: string, prefix = '') {
  const data = mkdtempSync(join(tmpdir(), 'eventbus-e2e-'));
  const command = `${before}\nexec ${prefix}'${kBinary}' serve --catalog '${kCatalog}' --listen 127.0.0.1:0 --data '${data}'`;
  const shell = spawn('bash', ['-c', command], { env: { PATH: process.env.PATH, EVENTBUS_JWT_SECRET: kSecret, EVENTBUS_ADMIN_LISTEN: 'off' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve) => shell.once('close', (code) => resolve(code)));
  afterwards(async () => {
    shell.kill('SIGKILL');
    await exit;
    rmSync(data, { recursive: true, force: true });
  });
  const output = new Seen<string>();
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (text: Buffer) => output.add(text.toString()));
  const said = () => output.things.join('');
  const ready = () => output.until(() => /ready on http/.test(said())).then(() => /ready on (http\S+)/.exec(said())![1]!);
  return { data, exit, said, get ready() { return ready(); } };
}

async function publish(url: string, bytes: number): Promise<number> {
  const { status, body } = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serviceToken('api')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'photo.uploaded', data: { photoId: '1', userId: 'alice', filename: 'x'.repeat(bytes) } }),
  });
  await body?.cancel();
  return status;
}
