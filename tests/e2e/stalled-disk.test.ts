// A disk whose syncs do not come back: the server says so, and goes on when they do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { stalls } from './support/preload.js';
import { BusServer } from './support/server.js';
import { serviceToken } from './support/tokens.js';

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
