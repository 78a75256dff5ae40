// kill -9 of the server: what was acknowledged arrives, once and in order; what was confirmed holds.
import { expect, test } from 'vitest';

import { connect, sdk } from './support/clients.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kWatcher = userToken('bob', { permissions: ['watch:counter:*', 'watch:photo:*'] });

async function crash(server: BusServer): Promise<void> {
  await server.kill();
  await server.up();
}

function positionOf(offset: string): bigint {
  return BigInt(offset.slice(offset.lastIndexOf('.') + 1));
}

test('publishes one after the other through three crashes arrive exactly once and in order', async () => {
  const server = await BusServer.start();
  const seen = new Seen<number>();
  await sdk(server, kWatcher).subscribe('counter:1', (event) => seen.add(event.n));
  const publisher = sdk(server, serviceToken('api'));

  const kCount = 400;
  for (let n = 0; n < kCount; ++n) {
    const published = publisher.publish('counter.counted', { counterId: '1', n });
    if (n % 100 === 50) await crash(server);
    await published;
  }

  await seen.until((all) => all.at(-1) === kCount - 1);
  expect(seen.things).toEqual(Array.from({ length: kCount }, (_, n) => n));
});

test('many publishes at once through three crashes arrive exactly once and in the order of the log', async () => {
  const server = await BusServer.start();
  const seen = new Seen<{ n: number; offset: string }>();
  await sdk(server, kWatcher).subscribe('counter:1', ({ n, offset }) => seen.add({ n, offset }));
  const publisher = sdk(server, serviceToken('api'));
  const acknowledged = new Seen<{ n: number; offset: string }>();

  const kCount = 900;
  const all = Array.from({ length: kCount }, async (_, n) => {
    const { offset } = await publisher.publish('counter.counted', { counterId: '1', n });
    acknowledged.add({ n, offset });
  });
  for (const share of [0.1, 0.4, 0.7]) {
    await acknowledged.atLeast(kCount * share);
    await crash(server);
  }
  await Promise.all(all);

  await seen.atLeast(kCount);
  const ofLog = [...acknowledged.things].sort((a, b) => (positionOf(a.offset) < positionOf(b.offset) ? -1 : 1));
  expect(seen.things).toEqual(ofLog);
  expect(new Set(seen.things.map(({ n }) => n)).size).toBe(kCount);
});

test('the same through the plain client: nothing acknowledged is lost, and its order holds', async () => {
  const server = await BusServer.start();
  const watcher = await connect(server, kWatcher, { transports: ['websocket'] });
  expect(await watcher.ask('subscribe', 'counter:1')).toMatchObject({ ok: true });
  const publisher = sdk(server, serviceToken('api'));

  const kCount = 120;
  for (let n = 0; n < kCount; ++n) {
    const published = publisher.publish('counter.counted', { counterId: '1', n });
    if (n % 50 === 25) await crash(server);
    await published;
  }

  await watcher.events.until((all) => all.at(-1)?.data.n === kCount - 1);
  const numbers = watcher.events.things.map(({ data }) => data.n as number);
  const distinct = numbers.filter((n, index) => n !== numbers[index - 1]);
  expect(distinct).toEqual(Array.from({ length: kCount }, (_, n) => n));
});

test.each(['websocket', 'polling'])('a room that was confirmed is there after a kill -9 at once, over %s', async (transport) => {
  const server = await BusServer.start();
  const watcher = await connect(server, kWatcher, { transports: [transport] });
  const id = watcher.socket.id;

  expect(await watcher.ask('subscribe', 'counter:7')).toMatchObject({ ok: true });
  await server.kill();
  const again = new Promise<void>((resolve) => watcher.socket.once('connect', () => resolve()));
  await server.up();
  await sdk(server, serviceToken('api')).publish('counter.counted', { counterId: '7', n: 1 });
  await again;

  expect(watcher.socket.recovered).toBe(true);
  expect(watcher.socket.id).toBe(id);
  expect(await watcher.events.atLeast(1)).toMatchObject([{ data: { n: 1 } }]);
  await sdk(server, serviceToken('api')).publish('counter.counted', { counterId: '7', n: 2 });
  expect((await watcher.events.atLeast(2)).map(({ data }) => data.n)).toEqual([1, 2]);
});

test('who owns a photo is known after a kill -9', async () => {
  const server = await BusServer.start();
  const alice = await connect(server, userToken('alice'));
  await sdk(server, serviceToken('api')).publish('photo.uploaded', { photoId: '123', userId: 'alice', filename: 'f' });

  await crash(server);
  await sdk(server, serviceToken('worker')).publish('photo.processing.started', { photoId: '123' });

  expect((await alice.events.atLeast(2)).map(({ meta }) => meta.type)).toEqual(['photo.uploaded', 'photo.processing.started']);
});

test('an event that was published before the kill is a duplicate after it', async () => {
  const server = await BusServer.start();
  const publisher = sdk(server, serviceToken('api'));
  const first = await publisher.publish('counter.counted', { counterId: '1', n: 1 }, { id: 'mine' });

  await crash(server);
  const second = await publisher.publish('counter.counted', { counterId: '1', n: 1 }, { id: 'mine' });

  expect(second).toEqual({ ...first, duplicate: true });
  await expect(publisher.publish('counter.counted', { counterId: '1', n: 2 }, { id: 'mine' })).rejects.toMatchObject({ code: 'id_reused' });
});
