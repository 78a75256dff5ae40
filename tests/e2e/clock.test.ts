// A clock that jumps ahead by more than a year: nothing is deleted for its age. Needs Debian's faketime.
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import { faketime } from './support/preload.js';
import { BusServer, kBinary } from './support/server.js';
import { sign } from './support/tokens.js';

const kFaketime = faketime();
const kJumpS = 400 * 86_400;
const kToken = sign({ service: 'operations', permissions: ['admin:**', 'publish:**'] }, { ttlS: 2 * kJumpS });
const kHeld = 'eventbus_retention_hold_seconds';

/** A server whose clock can be set, with an event in its log. */
async function serverWithAClock(): Promise<{ server: BusServer; setClock: (aheadS: number) => void }> {
  const file = join(mkdtempSync(join(tmpdir(), 'eventbus-e2e-clock-')), 'clock');
  const setClock = (aheadS: number) => writeFileSync(file, `+${aheadS}s`);
  setClock(0);
  const server = await BusServer.start({ environment: { LD_PRELOAD: kFaketime!, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' } });
  expect((await server.post('/v1/events', kToken, { type: 'counter.counted', data: { counterId: '1' } })).status).toBe(200);
  return { server, setClock };
}

async function expectAHold(server: BusServer): Promise<void> {
  await expect.poll(() => server.metric(kHeld, kToken), { timeout: 15_000 }).toBeGreaterThan(86_000);
  const [now, expected] = await Promise.all(['now', 'expected'].map((clock) => server.metric(`eventbus_retention_hold_timestamp_seconds{clock="${clock}"}`, kToken)));
  expect(Math.abs(now! - expected! - kJumpS)).toBeLessThan(60);
  expect(await server.metric('eventbus_log_swept_total', kToken)).toBe(0);
  expect(server.output).toContain('the clock has jumped ahead');
}

test.skipIf(kFaketime === undefined)('a start with a clock over a year ahead deletes nothing, until an operator says that the clock is right', async () => {
  const { server, setClock } = await serverWithAClock();
  await server.stop();
  setClock(kJumpS);
  await server.up();
  await expectAHold(server);
  expect((await server.post('/v1/events', kToken, { type: 'counter.counted', data: { counterId: '1' } })).status).toBe(200);
  await server.kill();
  await server.up();
  await expectAHold(server); // a new event and a restart do not end it

  expect((await server.post('/v1/retention/resume', sign({ service: 'other' }, { ttlS: 2 * kJumpS }), {})).status).toBe(403);
  const resume = () => promisify(execFile)(kBinary, ['retention', 'resume', '--json', '--url', server.url], { env: { EVENT_BUS_TOKEN: kToken } });
  expect(JSON.parse((await resume()).stdout)).toEqual({ wasHeld: true });
  expect(JSON.parse((await resume()).stdout)).toEqual({ wasHeld: false });
  expect(await server.metric(kHeld, kToken)).toBe(0);
  await expect.poll(() => server.metric('eventbus_log_swept_total', kToken), { timeout: 15_000 }).toBe(1);
}, 60_000);

test.skipIf(kFaketime === undefined)('a clock that jumps while the server runs deletes nothing, and retention goes on once it is back', async () => {
  const { server, setClock } = await serverWithAClock();
  setClock(kJumpS);
  await expectAHold(server);
  setClock(0);
  await expect.poll(() => server.metric(kHeld, kToken), { timeout: 15_000 }).toBe(0);
  expect(await server.metric('eventbus_log_swept_total', kToken)).toBe(0);
}, 60_000);
