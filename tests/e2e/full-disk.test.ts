// A disk that is filled to the last byte: nothing ends, nothing is lost, and all goes on once there is room.
import { expect, test } from 'vitest';

import { connect, sdk } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kDisk = '400m'; // the server wants 256 MB of it free, and 288 to go on
const kWatcher = userToken('bob', { permissions: ['watch:counter:*'] });

async function publish(server: BusServer, n: number): Promise<{ status: number; code?: string }> {
  const answer = await server.post('/v1/events', serviceToken('api'), { id: `n-${n}`, type: 'counter.counted', data: { counterId: '1', n } });
  return { status: answer.status, code: ((await answer.json()) as { code?: string }).code };
}

test.skipIf(process.getuid!() !== 0)('a disk filled to the last byte is read-only through kill -9 and starts, and takes events once there is room', async () => {
  const server = await BusServer.start({ disk: kDisk });
  const watcher = await connect(server, kWatcher, { transports: ['websocket'] });
  expect(await watcher.ask('subscribe', 'counter:1')).toMatchObject({ ok: true });
  expect(await publish(server, 0)).toMatchObject({ status: 200 });

  server.fillDisk();
  let refused = await publish(server, 1);
  for (let n = 2; refused.status === 200; ++n) refused = await publish(server, n); // the room is looked at before each write
  expect(refused).toEqual({ status: 503, code: 'read_only' });
  await server.readiness(503);
  await server.kill();
  for (let start = 0; start < 2; ++start) {
    await server.up();
    server.fillDisk(); // what a start has freed
    await server.readiness(503);
    expect(await publish(server, 100)).toEqual({ status: 503, code: 'read_only' });
    await server.kill();
  }
  await server.up();
  server.makeRoom();
  await server.readiness(200);

  expect(await publish(server, 200)).toMatchObject({ status: 200 });
  await watcher.events.until((all) => all.at(-1)?.data.n === 200);
  expect(watcher.events.things[0]?.data.n).toBe(0);
  expect(await server.stop()).toBe(0);
}, 60_000);

test.skipIf(process.getuid!() !== 0)('while a disk is full each request is answered, and /readyz names each store and why', async () => {
  const server = await BusServer.start({ disk: kDisk });
  const worker = await connect(server, serviceToken('worker', { permissions: ['consume:**', 'admin:groups', 'admin:retention'] }), { transports: ['websocket'] });
  const watcher = await connect(server, kWatcher, { transports: ['websocket'] });
  expect(await worker.ask('subscribe', 'counter.counted')).toMatchObject({ ok: true });
  expect(await publish(server, 0)).toMatchObject({ status: 200 });
  await worker.events.atLeast(1);
  const { delivery } = worker.events.things[0]!.last as { delivery: string };

  server.fillDisk();
  await server.readiness(503);
  const why = async () => (await fetch(`${server.url}/readyz`)).text(); // each store looks at the disk once a second
  for (const store of ['the log', 'the store of sessions', 'the store of groups']) await expect.poll(why).toContain(`${store} takes no writes: the disk of ${server.data}/`);
  const unavailable = { ok: false, error: { code: 'unavailable' } };
  expect(await worker.ask('subscribe', 'counter.counted', { group: 'other' })).toMatchObject(unavailable); // the first that meets it
  expect(await worker.ask('subscribe', 'counter.counted', { group: 'another' })).toMatchObject(unavailable);
  expect(await worker.ask('ack', delivery)).toMatchObject(unavailable);
  expect(await worker.ask('nack', delivery)).toMatchObject(unavailable);
  expect(await worker.ask('unsubscribe', 'counter.counted')).toMatchObject({ ok: true });
  expect(await watcher.ask('subscribe', 'counter:1')).toMatchObject(unavailable);
  expect(await watcher.ask('unsubscribe', 'counter:1')).toMatchObject(unavailable);
  const headers = { authorization: `Bearer ${serviceToken('worker', { permissions: ['admin:groups', 'admin:retention'] })}` };
  const asked = [fetch(`${server.url}/v1/groups/worker/counter.counted`, { method: 'DELETE', headers }), fetch(`${server.url}/v1/retention/resume`, { method: 'POST', headers })];
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([503, 200]);
  expect(await publish(server, 1)).toEqual({ status: 503, code: 'read_only' });

  server.makeRoom();
  await server.readiness(200);
  expect(await worker.ask('subscribe', 'counter.counted', { group: 'other' })).toMatchObject({ ok: true });
  expect(await publish(server, 2)).toMatchObject({ status: 200 });
  await worker.events.until((all) => all.some(({ data }) => data.n === 2));
}, 60_000);

test.skipIf(process.getuid!() !== 0)('what one client publishes over a full disk and a kill -9 is stored in the order of its calls, and an id twice at once is stored once', async () => {
  const server = await BusServer.start({ disk: kDisk });
  const watcher = await connect(server, kWatcher, { transports: ['websocket'] });
  const { offset } = (await watcher.ask('subscribe', 'counter:1')) as unknown as { offset: string };
  const bus = sdk(server, serviceToken('api'));
  const all: Promise<{ duplicate: boolean }>[] = [];
  const publish = async (count: number) => {
    for (let n = 0; n < count; ++n) {
      all.push(bus.publish('counter.counted', { counterId: '1', n: all.length }));
      if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };

  await publish(100);
  server.fillDisk();
  await Promise.all([publish(300), server.readiness(503)]);
  server.makeRoom();
  await Promise.all([publish(300), server.readiness(200)]);
  await server.kill();
  await publish(100);
  await server.up();
  await Promise.all(all);

  const later = await connect(server, kWatcher, { transports: ['websocket'] });
  await later.ask('subscribe', 'counter:1', { since: offset });
  await later.events.atLeast(all.length);
  expect(later.events.things.map(({ data }) => data.n)).toEqual(all.map((_, n) => n));
  const twice = await Promise.all(['a', 'b', 'b'].map((id) => bus.publish('counter.counted', { counterId: '1', n: 0 }, { id })));
  expect(twice.map(({ duplicate }) => duplicate)).toEqual([false, false, true]);
}, 60_000);
