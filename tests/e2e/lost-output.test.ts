// Output that nobody gets: each command says why and exits with 1, and no signal ends it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { connect } from './support/clients.js';
import { BusServer, kBinary } from './support/server.js';
import { kSecret, serviceToken } from './support/tokens.js';

const kCatalog = fileURLToPath(new URL('./support/catalog.yaml', import.meta.url));
const kLosses = [
  ['a full disk', '>/dev/full', 'standard output cannot be written: No space left on device'],
  ['a closed one', '>&-', 'standard output cannot be written: it is closed'],
  ['a pipe without a reader', '> >(:); wait $!', 'standard output cannot be written: Broken pipe'],
] as const;

/** The program, in a shell that loses what it prints. */
function run(words: readonly string[], loss: string): { status: number | null; signal: string | null; stderr: string } {
  return spawnSync('bash', ['-c', `exec ${loss}; exec "$0" "$@"`, kBinary, ...words], {
    env: { PATH: process.env.PATH, EVENTBUS_JWT_SECRET: kSecret, EVENT_BUS_TOKEN: serviceToken('api', { permissions: ['publish:**', 'admin:**', 'watch:**', 'consume:**'] }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 10_000,
  });
}

test.each(kLosses)('what is printed to %s is an error of each command that needs no server', (_name, loss, why) => {
  for (const words of [['--help'], ['--version'], ['serve', '--help'], ['token', '--service', 'a'], ['token', '--service', 'a', '--json'], ['check-config', '--catalog', kCatalog]]) {
    const { status, signal, stderr } = run(words, loss);
    expect({ words, status, signal }).toEqual({ words, status: 1, signal: null });
    expect(stderr).toContain(why);
  }
});

test.each(kLosses)('what is printed to %s is an error of each command that asks a server, with what was done', async (_name, loss, why) => {
  const server = await BusServer.start();
  const to = ['--url', server.url];
  const first = (await (await server.post('/v1/events', serviceToken('api'), { type: 'counter.counted', data: { counterId: '1' } })).json()) as { offset: string };
  const worker = await connect(server, serviceToken('api'), { transports: ['websocket'] });
  expect(await worker.ask('subscribe', 'counter.counted')).toMatchObject({ ok: true });

  for (const [words, done] of [
    [['publish', 'counter.counted', 'counterId=1', ...to], 'the event is published, but '],
    [['groups', 'delete', 'api', 'counter.counted', ...to], 'the group is deleted, but '],
    [['retention', 'resume', ...to], 'the hold has ended, but '],
    [['tail', 'counter.counted', '--since', first.offset, ...to], `; go on with --since ${first.offset}`],
  ] as const) {
    const { status, signal, stderr } = run(words, loss);
    expect({ words, status, signal }).toEqual({ words, status: 1, signal: null });
    expect(stderr).toContain(why);
    expect(stderr).toContain(done);
  }
  await server.stop();
  const copy = mkdtempSync(join(tmpdir(), 'eventbus-e2e-copy-'));
  afterwards(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(server.data, copy, { recursive: true });
  const { status, stderr } = run(['restore', copy], loss);
  expect(status).toBe(1);
  expect(stderr).toContain(`the directory is prepared, but ${why}`);
});
