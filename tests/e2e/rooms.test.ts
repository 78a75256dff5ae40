// What a socket is in: the session is what was answered, whatever the order of things.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { connect, fence, PlainClient, sdk } from './support/clients.js';
import { kBob } from './support/counters.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kTransports = [['WebSocket', ['websocket']], ['polling', ['polling']]] as const;

const counted = (counterId: string, n: number) => ['counter.counted', { counterId, n }] as const;

async function dropped(client: PlainClient): Promise<void> {
  client.socket.io.engine.close();
  await client.connected();
}

test.each(kTransports)('topics that are subscribed to in one tick are all there after a drop, over %s', async (_name, transports) => {
  const server = await BusServer.start({ settings: { reactors: '2' } });
  const api = sdk(server, serviceToken('api'));
  const bob = await connect(server, kBob, { transports: [...transports] });
  const ids = Array.from({ length: 20 }, (_, i) => `${i}`);
  const answers = await Promise.all(ids.map((id) => bob.ask('subscribe', `counter:${id}`)));
  expect(answers.every(({ ok }) => ok)).toBe(true);

  bob.socket.io.reconnection(false);
  bob.socket.io.engine.close();
  for (const id of ids) await api.publish(...counted(id, 1));
  bob.socket.io.reconnection(true);
  bob.socket.connect();
  await bob.connected();
  for (const id of ids) await api.publish(...counted(id, 2));

  const events = await bob.events.atLeast(40);
  expect(bob.socket.recovered).toBe(true);
  expect(events.map(({ data }) => `${data.counterId}-${data.n}`)).toEqual([...ids.map((id) => `${id}-1`), ...ids.map((id) => `${id}-2`)]);
});

test('subscribe and unsubscribe in one tick leave what was asked last, before and after a drop', async () => {
  const server = await BusServer.start();
  const api = sdk(server, serviceToken('api'));
  const bob = await connect(server, kBob);
  for (let round = 0; round < 10; ++round) {
    const [stays, goes] = [`stays-${round}`, `goes-${round}`];
    await Promise.all([
      bob.ask('subscribe', `counter:${goes}`),
      bob.ask('unsubscribe', `counter:${goes}`),
      bob.ask('subscribe', `counter:${stays}`),
      bob.ask('unsubscribe', `counter:${stays}`),
      bob.ask('subscribe', `counter:${stays}`),
    ]);
    for (const n of [1, 2]) {
      await api.publish(...counted(goes, n));
      await api.publish(...counted(stays, n));
      await fence(server, [bob]);
      if (n === 1) await dropped(bob);
    }
  }
  const got = bob.events.things.filter(({ name }) => name === 'counter.counted').map(({ data }) => `${data.counterId} ${data.n}`);
  expect(got).toEqual(Array.from({ length: 10 }, (_, round) => [`stays-${round} 1`, `stays-${round} 2`]).flat());
});

test('the bound on rooms holds for those that are asked for at once', async () => {
  const server = await BusServer.start({ settings: { rooms_per_socket_max: '10' } });
  const bob = await connect(server, kBob);
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => bob.ask('subscribe', `counter:${i}`)));
  // Two rooms come from the token: bob's own, and everyone's.
  expect(answers.filter(({ ok }) => ok)).toHaveLength(8);
  expect(answers.filter((answer) => !answer.ok && answer.error.code === 'too_many_rooms')).toHaveLength(22);
});

test.each([
  ['text', 'counter:1', ['counter:1'], []],
  ['a JSON list as text', '["counter:1","counter:2"]', ['counter:1', 'counter:2'], []],
  ['a number', 7, [], ['7']],
  ['an object', { topic: 'counter:1' }, [], ['{"topic":"counter:1"}']],
  ['a list with a number in it', ['counter:1', 5], ['counter:1'], ['5']],
  ['text that is not a list', '["counter:1"', [], ['["counter:1"']],
])('topics at CONNECT given as %s are watched, or told', async (_name, topics, watched, told) => {
  const server = await BusServer.start();
  const api = sdk(server, serviceToken('api'));
  const bob = await connect(server, kBob, { auth: { token: kBob, topics } });
  for (const id of ['1', '2']) await api.publish(...counted(id, 1));
  await fence(server, [bob]);

  const ended = bob.control.things.filter(({ name }) => name === 'watch.ended').map(({ body }) => body as { topic: string; code: string });
  expect(ended.map(({ topic }) => topic)).toEqual(told);
  expect(ended.every(({ code }) => code === 'bad_topic')).toBe(true);
  const got = bob.events.things.filter(({ name }) => name === 'counter.counted').map(({ data }) => `counter:${data.counterId}`);
  expect(got).toEqual(watched);
});

test.each([['not text', 42], ['empty', ''], ['no offset', 'yesterday']])("a 'since' at CONNECT that is %s is told, and the sign-in stands", async (_name, since) => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob, { auth: { token: kBob, since } });
  expect((await bob.control.atLeast(1))[0]).toMatchObject({ name: 'resume.unknown' });
  await fence(server, [bob]);
});

test.each([['empty', ''], ['no offset', 'yesterday']])("a 'since' of subscribe that is %s is refused", async (_name, since) => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  expect(await bob.ask('subscribe', 'counter:1', { since })).toMatchObject({ ok: false, error: { code: 'bad_offset' } });
});

test('of more topics at CONNECT than are read the first is told, and the rest are there', async () => {
  const server = await BusServer.start({ settings: { rooms_per_socket_max: '2000' } });
  const api = sdk(server, serviceToken('api'));
  const topics = Array.from({ length: 1500 }, (_, i) => `counter:${i}`);
  const bob = await connect(server, kBob, { auth: { token: kBob, topics } });
  const [ended] = await bob.control.atLeast(1);
  expect(ended).toMatchObject({ name: 'watch.ended', body: { topic: 'counter:1024', code: 'too_many_rooms', message: expect.stringContaining('1500') } });
  for (const id of ['1023', '1024', '1499']) await api.publish(...counted(id, 1));
  await fence(server, [bob]);
  expect(bob.events.things.filter(({ name }) => name === 'counter.counted').map(({ data }) => data.counterId)).toEqual(['1023']);
  expect(bob.control.things).toHaveLength(1);
});

test('an offset beyond the end of the log is waited for, and then unknown', async () => {
  const server = await BusServer.start();
  const api = sdk(server, serviceToken('api'));
  const { offset } = await api.publish(...counted('1', 1));
  const [epoch, position] = offset.split('.');
  const later = `${epoch}.${Number(position) + 3}`;

  const waits = connect(server, kBob, { auth: { token: kBob, since: later, topics: ['counter:1'] } });
  for (const n of [2, 3, 4, 5]) await api.publish(...counted('1', n));
  const bob = await waits;
  await fence(server, [bob]);
  expect(bob.events.things.filter(({ name }) => name === 'counter.counted').map(({ data }) => data.n)).toEqual([5]);

  const eve = await connect(server, kBob, { auth: { token: kBob, since: `${epoch}.${Number(position) + 500_000}` } });
  expect((await eve.control.atLeast(1))[0]).toMatchObject({ name: 'resume.unknown' });
});

test('a reload of the catalog that takes a right away ends the watch, and says why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-catalog-'));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = join(folder, 'catalog.yaml');
  const write = (watch: string, consume: string) =>
    writeFileSync(catalog, `events:\n  counter.counted: { subject: "counter:{data.counterId}", audience: [watchers], consume: [${consume}] }\n  system.announcement: { audience: [everyone] }\nrooms: { counter: { watch: [${watch}] } }\n`);
  write('permission', 'permission, service:worker');
  const server = await BusServer.start({ catalog, settings: { reactors: '2' } });
  const api = sdk(server, serviceToken('api'));
  const bob = await connect(server, kBob);
  const worker = await connect(server, serviceToken('worker'));
  await bob.ask('subscribe', 'counter:1');
  expect(await worker.ask('subscribe', 'counter.counted', { group: null })).toMatchObject({ ok: true });

  write('role:admin', 'permission');
  await server.reload(/catalog/);

  expect((await bob.control.atLeast(1))[0]).toMatchObject({ name: 'watch.ended', body: { topic: 'counter:1', code: 'forbidden' } });
  expect((await worker.control.atLeast(1))[0]).toMatchObject({ name: 'watch.ended', body: { topic: 'counter.counted', code: 'forbidden' } });
  await api.publish(...counted('1', 1));
  await fence(server, [bob, worker]);
  for (const { events } of [bob, worker]) expect(events.things.filter(({ name }) => name === 'counter.counted')).toEqual([]);
});

test('the sign-ins of one user push out no session of anybody else, nor of a connected socket', async () => {
  const server = await BusServer.start({ settings: { sessions_max: '20', sessions_per_principal_max: '5' } });
  const api = sdk(server, serviceToken('api'));
  const bob = await connect(server, kBob);
  const eve = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  eve.socket.io.reconnection(false);
  eve.socket.io.engine.close();

  for (let i = 0; i < 40; ++i) {
    const mallory = await connect(server, userToken('mallory'));
    mallory.socket.io.reconnection(false);
    mallory.socket.io.engine.close();
  }
  eve.socket.connect();
  await eve.connected();
  await dropped(bob);
  await api.publish(...counted('1', 1));

  await bob.events.atLeast(1);
  expect([bob.socket.recovered, eve.socket.recovered]).toEqual([true, true]);
});
