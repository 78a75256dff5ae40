// Pipes that nobody writes into or reads from must not keep the server waiting: as files that settings name, and as its
// standard error.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { Seen } from './support/seen.js';
import { BusServer, kBinary } from './support/server.js';
import { kSecret } from './support/tokens.js';

const kCatalog = fileURLToPath(new URL('./support/catalog.yaml', import.meta.url));
const kWaitMs = 10_000;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'eventbus-e2e-files-'));
  afterwards(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function pipeIn(where: string, name: string): string {
  execFileSync('mkfifo', [join(where, name)]);
  return join(where, name);
}

test.each(['config', 'catalog', 'jwt_secret_file', 'tls_key_file'])('a pipe as %s ends the start and check-config, and is named', (setting) => {
  const where = folder();
  const pipe = pipeIn(where, 'pipe');
  const settings = { catalog: kCatalog, jwt_secret: kSecret, data: join(where, 'data'), listen: '127.0.0.1:0', admin_listen: 'off', [setting]: pipe };
  const { jwt_secret: _, ...withoutSecret } = settings;
  const chosen = { ...(setting === 'jwt_secret_file' ? withoutSecret : settings), ...(setting === 'tls_key_file' ? { tls_certificate_file: pipe } : {}) };
  const env = { PATH: process.env.PATH, ...Object.fromEntries(Object.entries(chosen).map(([key, value]) => [`EVENTBUS_${key.toUpperCase()}`, value])) };

  for (const command of ['serve', 'check-config']) {
    const ended = spawnSync(kBinary, [command], { env, timeout: kWaitMs, encoding: 'utf8' });
    expect(ended.status).toBeGreaterThan(0);
    expect(ended.stdout + ended.stderr).toContain(pipe);
    expect(ended.stdout + ended.stderr).toContain('is a pipe or a device that did not end within 3 s');
  }
});

test('a pipe that ends is read: <(…) of a shell', async () => {
  const shell = spawn('bash', ['-c', `"${kBinary}" check-config --config <(echo 'log_level: warn') --catalog <(cat "${kCatalog}")`], { env: { PATH: process.env.PATH, EVENTBUS_JWT_SECRET: kSecret } });
  expect(await new Promise((resolve) => shell.on('exit', resolve))).toBe(0);
});

test('a catalog that became a pipe keeps neither a reload nor the stop waiting', async () => {
  const catalog = join(folder(), 'catalog.yaml');
  copyFileSync(kCatalog, catalog);
  const server = await BusServer.start({ catalog });
  rmSync(catalog);
  execFileSync('mkfifo', [catalog]);

  await server.reload(/is a pipe or a device.*[^]*the old one stays/);

  expect(await server.stop()).toBe(0);
});

test.each([
  ['a start', 'while the catalog is read'],
  ['a reload', 'while the catalog is loaded again'],
])('a stop in the middle of %s that reads a pipe names the pipe, and not the disk', async (when, stage) => {
  const where = folder();
  const catalog = join(where, 'catalog.yaml');
  if (when === 'a reload') copyFileSync(kCatalog, catalog);
  else pipeIn(where, 'catalog.yaml');
  const server = spawn(kBinary, ['serve', '--catalog', catalog, '--data', join(where, 'data'), '--listen', '127.0.0.1:0', '--admin-listen', 'off', '--shutdown-timeout', '0s'], { env: { PATH: process.env.PATH, EVENTBUS_JWT_SECRET: kSecret } });
  afterwards(() => server.kill('SIGKILL'));
  const said = new Seen<string>();
  for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', said.add);
  const ended = new Promise((resolve) => server.on('exit', resolve));
  if (when === 'a reload') {
    await said.until((all) => all.join('').includes('is ready'));
    rmSync(catalog);
    pipeIn(where, 'catalog.yaml');
    server.kill('SIGHUP');
  } else {
    await expect.poll(() => existsSync(join(where, 'data'))).toBe(true);
  }
  await new Promise((resolve) => setTimeout(resolve, 200)); // it reads the pipe

  server.kill('SIGTERM');
  expect(await ended).toBe(1);
  expect(said.things.join('')).toContain(`2 s after the signal to stop the process still hangs ${stage}, so it is ended; nothing that was acknowledged is lost; look at ${catalog}`);
});

test('a start with more mistakes than a pipe has room for ends, though nobody reads them', async () => {
  const config = join(folder(), 'eventbus.yaml');
  writeFileSync(config, Array.from({ length: 5_000 }, (_, n) => `mistake_${n}: 1\n`).join(''));
  const server = spawn(kBinary, ['serve', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } });
  afterwards(() => server.kill('SIGKILL'));
  expect(await new Promise((resolve) => server.on('exit', resolve))).toBe(2);
});
