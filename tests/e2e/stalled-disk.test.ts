// A disk whose syncs do not come back: the server says so, and goes on when they do.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { stalls } from './support/preload.js';
import { Seen } from './support/seen.js';
import { BusServer, kBinary } from './support/server.js';
import { kSecret, serviceToken } from './support/tokens.js';

const kCatalog = fileURLToPath(new URL('./support/catalog.yaml', import.meta.url));
const kUpload = { photoId: '123', userId: 'alice', filename: 'vacation.jpg' };
const kStalls = stalls();
const kToken = serviceToken('operations', { permissions: ['admin:metrics'] });

test.skipIf(kStalls === undefined)('a disk that does not answer makes the server not ready, with a warning and a metric, until it does', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'eventbus-e2e-stall-')), 'stalled');
  const server = await BusServer.start({ environment: { LD_PRELOAD: kStalls!, EVENTBUS_STALL_FILE: file } });
  const publish = (id: string) => server.post('/v1/events', serviceToken('api'), { id, type: 'counter.counted', data: { counterId: '1' } });
  const stalledFor = () => server.metric('eventbus_store_stalled_seconds{store="log"}', kToken);
  expect((await publish('before')).status).toBe(200);

  writeFileSync(file, '');
  const answer = publish('meanwhile');
  const from = Date.now();
  await server.readiness(503);
  expect(Date.now() - from).toBeGreaterThan(4_500);
  expect(Date.now() - from).toBeLessThan(8_000);
  expect(await (await fetch(`${server.url}/readyz`)).text()).toContain('the disk of the log has not answered');
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect(server.output).toContain('a disk stalls');
  expect(await stalledFor()).toBeGreaterThanOrEqual(5);

  rmSync(file);
  expect((await answer).status).toBe(200);
  await server.readiness(200);
  expect(server.output).toContain('a disk that stalled goes on');
  expect(await stalledFor()).toBe(0);
  expect(await server.metric('eventbus_store_stalls_total{store="log"}', kToken)).toBe(1);
  expect((await publish('after')).status).toBe(200);
});

test.skipIf(kStalls === undefined)('a stop ends although the disk does not answer, says what hangs, and loses nothing that was acknowledged', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'eventbus-e2e-stall-')), 'stalled');
  const server = await BusServer.start({ settings: { shutdown_timeout: '1s' }, environment: { LD_PRELOAD: kStalls!, EVENTBUS_STALL_FILE: file } });
  const publish = (id: string) => server.post('/v1/events', serviceToken('api'), { id, type: 'photo.uploaded', data: kUpload });
  const { offset } = (await (await publish('before')).json()) as { offset: string };
  writeFileSync(file, '');
  const answer = publish('meanwhile').catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 200)); // it waits for the disk

  const from = Date.now();
  expect(await server.stop()).toBe(1);
  expect(Date.now() - from).toBeGreaterThan(2_900);
  expect(Date.now() - from).toBeLessThan(8_000);
  expect(server.output).toContain(`3 s after the signal to stop the process still hangs while the log writes what is left`);
  expect(server.output).toContain(server.data);
  expect((await answer)?.status).not.toBe(200);

  rmSync(file);
  await server.up();
  const again = (await (await publish('before')).json()) as { offset: string; duplicate: boolean };
  expect(again).toMatchObject({ offset, duplicate: true });
  expect(await server.stop()).toBe(0);
});

test.skipIf(kStalls === undefined)('a start that waits for the disk ends after SIGTERM', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-stall-'));
  writeFileSync(join(folder, 'stalled'), '');
  const args = ['serve', '--catalog', kCatalog, '--listen', '127.0.0.1:0', '--admin-listen', 'off', '--data', join(folder, 'data'), '--shutdown-timeout', '0s'];
  const server = spawn(kBinary, args, { env: { LD_PRELOAD: kStalls!, EVENTBUS_STALL_FILE: join(folder, 'stalled'), EVENTBUS_JWT_SECRET: kSecret } });
  afterwards(() => server.kill('SIGKILL'));
  const errors = new Seen<string>();
  server.stderr.setEncoding('utf8').on('data', errors.add);
  await expect.poll(() => existsSync(join(folder, 'data', 'log'))).toBe(true);

  server.kill('SIGTERM');
  expect(await new Promise((resolve) => server.on('exit', resolve))).toBe(1);
  expect(errors.things.join('')).toContain('2 s after the signal to stop the process still hangs while the log is opened, so it is ended; nothing that was acknowledged is lost; look at the disk of ');
});

test.skipIf(kStalls === undefined)('a stop ends although standard error is a file on the disk that does not answer', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'eventbus-e2e-stall-')), 'stalled');
  const environment = { LD_PRELOAD: kStalls!, EVENTBUS_STALL_FILE: file, EVENTBUS_STALL_STDERR: '1' };
  const server = await BusServer.start({ settings: { shutdown_timeout: '0s' }, environment });
  writeFileSync(file, '');
  const answer = server.post('/v1/events', serviceToken('api'), { id: 'meanwhile', type: 'photo.uploaded', data: kUpload }).catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 200)); // it waits for the disk

  const from = Date.now();
  expect(await server.stop()).toBe(1);
  expect(Date.now() - from).toBeLessThan(7_000);
  expect((await answer)?.status).not.toBe(200);
});
