// Files of the data directory that go while the server is down: the next start says so, and clients are told.
import { copyFileSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

import type { ConnectionState, Gap } from '@shared-infra/event-bus';
import { expect, test } from 'vitest';

import { away, connect, fence, sdk } from './support/clients.js';
import { count, kBob, told } from './support/counters.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken } from './support/tokens.js';

const kOperations = serviceToken('operations', { permissions: ['admin:metrics'] });

type Act = (file: string) => void;
const kRemove: Act = (file) => rmSync(file);
const kEmpty: Act = (file) => truncateSync(file);
const kCut: Act = (file) => truncateSync(file, statSync(file).size - 1);

function filesOf(server: BusServer, store: string, kind: RegExp): string[] {
  const folder = join(server.data, store);
  const files = readdirSync(folder).filter((name) => kind.test(name));
  expect(files).not.toEqual([]);
  return files.map((name) => join(folder, name));
}

const damages = (server: BusServer, store: string) => server.metric(`eventbus_store_damages_total{store="${store}"}`, kOperations);
const end = (server: BusServer, how: string) => (how === 'SIGTERM' ? server.stop() : server.kill());

const kCases = ['SIGTERM', 'kill -9'].flatMap((how) => [
  { how, what: 'removed', act: kRemove },
  { how, what: 'emptied', act: kEmpty },
  { how, what: 'cut', act: kCut },
]);

const kLogCases = [...kCases.map((one) => ({ ...one, age: 'an old' })), { how: 'kill -9', what: 'removed', act: kRemove, age: 'a new' }];

test.each(kLogCases)('write-ahead logs of $age log that were $what after $how are told: a warning, a metric, and to clients', async ({ how, act, age }) => {
  const server = await BusServer.start();
  await count(server, 1, 1);
  if (age === 'an old') {
    await server.stop(); // the first event stands in a table from the next start on
    await server.up();
  }
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  await count(server, 2, 2);
  await bob.events.atLeast(1);

  await away(bob, async () => {
    await count(server, 3, 4);
    await end(server, how);
    filesOf(server, 'log', /\.log$/).forEach(act);
    await server.up();
  });
  await fence(server, [bob]);

  expect(told(bob)).toContain(bob.socket.recovered ? 'resume.gap' : 'resume.unknown');
  expect(server.output).toMatch(/the end of a store is damaged or missing.*\.log/);
  expect(await damages(server, 'log')).toBe(1);
  await server.kill();
  await server.up();
  expect(await damages(server, 'log')).toBe(0);
});

test.each(kCases)('sessions whose write-ahead logs were $what after $how are unknown, and clients begin new ones', async ({ how, act }) => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');

  await away(bob, async () => {
    await end(server, how);
    filesOf(server, 'sessions', /\.log$/).forEach(act);
    await server.up();
  });

  expect(bob.socket.recovered).toBe(false);
  expect(await damages(server, 'sessions')).toBe(1);
});

test.each(['log', 'sessions'])('a client of the package is live again after %s was moved away, and hears of a gap only if events may be missing', async (store) => {
  const server = await BusServer.start();
  const states = new Seen<ConnectionState>();
  const gaps = new Seen<Gap>();
  const numbers = new Seen<number>();
  const bus = sdk(server, kBob);
  bus.onState(states.add);
  bus.onGap(gaps.add);
  await bus.subscribe('counter:1', (event) => numbers.add(event.n as number));
  await count(server, 1, 2);
  await numbers.atLeast(2);

  await server.stop();
  renameSync(join(server.data, store), join(server.data, `${store}.old`));
  await server.up();
  await states.until((all) => all.some(({ status }) => status === 'reconnecting') && all.at(-1)!.status === 'live');
  await count(server, 3, 3);

  expect(await numbers.atLeast(3)).toEqual([1, 2, 3]);
  expect(gaps.things).toEqual(store === 'log' ? [{ from: expect.any(String), to: expect.any(String) }] : []);
});

test.each(kCases)('groups whose write-ahead logs were $what after $how say so', async ({ how, act }) => {
  const server = await BusServer.start();
  const handled = new Seen<string>();
  await sdk(server, serviceToken('worker')).subscribe('photo.uploaded', (event) => handled.add(event.photoId as string));
  const data = { photoId: '1', userId: 'alice', filename: '1.jpg' };
  expect((await server.post('/v1/events', serviceToken('api'), { type: 'photo.uploaded', data })).status).toBe(200);
  await handled.atLeast(1);

  await end(server, how);
  filesOf(server, 'groups', /\.log$/).forEach(act);
  await server.up();

  expect(await damages(server, 'groups')).toBe(1);
});

test.each(['log', 'sessions', 'groups'])('a manifest of %s that was cut is refused with a way out, and what is put back is whole', async (store) => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  await count(server, 1, 1);
  await bob.events.atLeast(1);

  await away(bob, async () => {
    await server.kill();
    const manifest = filesOf(server, store, /^MANIFEST/).at(-1)!;
    const whole = join(server.data, 'whole');
    renameSync(manifest, whole);
    copyFileSync(whole, manifest);
    truncateSync(manifest, statSync(whole).size - 30);
    await expect(server.up()).rejects.toThrow(/MANIFEST-\d+ in .* has \d+ bytes, and had .*put it back/);
    renameSync(whole, manifest);
    await server.up();
  });

  expect(bob.socket.recovered).toBe(true);
  expect(told(bob)).not.toContain('resume.gap');
  expect(await damages(server, store)).toBe(0);
});
