// Consumer groups: one member handles each event, and nothing is lost with a member or the server.
import { randomBytes } from 'node:crypto';

import type { EventBus } from '@shared-infra/event-bus';
import { expect, test } from 'vitest';

import { connect, sdk } from './support/clients.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken } from './support/tokens.js';

const kWorker = serviceToken('worker');
const upload = (photoId: string) => ({ photoId, userId: 'alice', filename: `${photoId}.jpg` });

interface Handled {
  readonly member: number;
  readonly photoId: string;
  readonly attempt: number;
}

// A member that handles everything at once.
async function member(server: BusServer, handled: Seen<Handled>, number: number, handle = async (_photoId: string) => {}): Promise<EventBus> {
  const bus = sdk(server, kWorker);
  bus.onError(() => {});
  await bus.subscribe('photo.uploaded', async (event, delivery) => {
    handled.add({ member: number, photoId: event.photoId, attempt: delivery?.attempt ?? 0 });
    await handle(event.photoId);
  });
  return bus;
}

test('each event is handled by one of several members, and every member gets some', async () => {
  const server = await BusServer.start();
  const handled = new Seen<Handled>();
  for (const number of [1, 2, 3]) await member(server, handled, number, () => new Promise((resolve) => setImmediate(resolve)));
  const api = sdk(server, serviceToken('api'));

  await Promise.all(Array.from({ length: 120 }, (_, n) => api.publish('photo.uploaded', upload(`${n}`))));
  await handled.atLeast(120);
  await api.publish('photo.uploaded', upload('last'));
  await handled.until((all) => all.some(({ photoId }) => photoId === 'last'));

  expect(handled.things.map(({ photoId }) => photoId).sort()).toEqual([...Array.from({ length: 120 }, (_, n) => `${n}`), 'last'].sort());
  expect(new Set(handled.things.map(({ member: number }) => number))).toEqual(new Set([1, 2, 3]));
});

test('another group gets the same events, and no group gets what no group asked for', async () => {
  const server = await BusServer.start();
  const ofWorkers = new Seen<Handled>();
  await member(server, ofWorkers, 1);
  const audit = sdk(server, serviceToken('audit'));
  const audited = new Seen<string>();
  const { group } = await audit.subscribe('photo.**', (event) => audited.add(event.photoId), { group: 'trail' });
  const views = [new Seen<string>(), new Seen<string>()];
  for (const view of views) await sdk(server, kWorker).subscribe('photo.uploaded', (event) => view.add(event.photoId), { group: null });

  await sdk(server, serviceToken('api')).publish('photo.uploaded', upload('1'));

  expect(group).toBe('trail');
  expect(await audited.atLeast(1)).toEqual(['1']);
  expect(await ofWorkers.atLeast(1)).toHaveLength(1);
  for (const view of views) expect(await view.atLeast(1)).toEqual(['1']);
});

test('an event whose handler rejects is given out again, and counts its attempts', async () => {
  const server = await BusServer.start();
  const handled = new Seen<Handled>();
  let failures = 2;
  await member(server, handled, 1, async () => {
    if (failures-- > 0) throw new Error('the disk is full');
  });

  await sdk(server, serviceToken('api')).publish('photo.uploaded', upload('1'));

  expect((await handled.atLeast(3)).map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
});

test('what a member had when it left is given to another', async () => {
  const server = await BusServer.start();
  const handled = new Seen<Handled>();
  const stuck = () => new Promise<void>(() => {});
  const first = await member(server, handled, 1, stuck);
  const api = sdk(server, serviceToken('api'));
  for (const photoId of ['1', '2', '3']) await api.publish('photo.uploaded', upload(photoId));
  await handled.atLeast(3);

  await member(server, handled, 2);
  await first.close({ drainMs: 0 });

  const again = (await handled.atLeast(6)).slice(3);
  expect(again.map(({ member: number, photoId }) => `${number} ${photoId}`).sort()).toEqual(['2 1', '2 2', '2 3']);
  expect(again.every(({ attempt }) => attempt === 2)).toBe(true);
});

test('an event that is not acknowledged in time is given to another', async () => {
  const server = await BusServer.start({ settings: { group_ack_wait: '300ms' } });
  const handled = new Seen<Handled>();
  await member(server, handled, 1, () => new Promise<void>(() => {}));
  await sdk(server, serviceToken('api')).publish('photo.uploaded', upload('1'));
  await handled.atLeast(1);

  await member(server, handled, 2);

  const all = await handled.until((some) => some.some(({ member: number }) => number === 2));
  expect(all.find(({ member: number }) => number === 2)!.attempt).toBeGreaterThan(1);
});

test('what comes while no member is there waits for one', async () => {
  const server = await BusServer.start();
  const handled = new Seen<Handled>();
  await (await member(server, handled, 1)).close();

  await sdk(server, serviceToken('api')).publish('photo.uploaded', upload('1'));
  await member(server, handled, 2);

  expect(await handled.atLeast(1)).toMatchObject([{ member: 2, photoId: '1' }]);
});

test('a kill -9 of the server loses no event of a group, handled or not', async () => {
  const server = await BusServer.start();
  const handled = new Seen<Handled>();
  const stuck = new Set(['1', '2']);
  const first = await member(server, handled, 1, (photoId) => (stuck.has(photoId) ? new Promise<void>(() => {}) : Promise.resolve()));
  const api = sdk(server, serviceToken('api'));
  for (const photoId of ['1', '2', '3']) await api.publish('photo.uploaded', upload(photoId));
  await handled.atLeast(3);

  await server.kill();
  await first.close({ drainMs: 0 }); // with what it has not handled
  const fourth = api.publish('photo.uploaded', upload('4'));
  await server.up();
  await member(server, handled, 2, () => Promise.resolve());
  await fourth;

  const again = (await handled.until((all) => ['1', '2', '4'].every((id) => all.slice(3).some(({ photoId }) => photoId === id)))).slice(3);
  expect(again.map(({ photoId }) => photoId)).toEqual(expect.arrayContaining(['1', '2', '4']));
});

test('large events never close their own member: all of them are handled', async () => {
  const server = await BusServer.start();
  const worker = await connect(server, kWorker, { transports: ['websocket'] });
  const drops = new Seen<string>();
  worker.socket.on('disconnect', (reason) => drops.add(reason));
  const handled = new Set<unknown>();
  worker.socket.on('photo.uploaded', (data: { photoId: string }, _meta: unknown, { delivery }: { delivery: string }) => {
    handled.add(data.photoId);
    setTimeout(() => worker.socket.emit('ack', delivery), 5);
  });
  worker.socket.on('photo.processing.failed', (_data: unknown, _meta: unknown, { delivery }: { delivery: string }) => worker.socket.emit('ack', delivery));
  for (const topic of ['photo.uploaded', 'photo.processing.failed']) expect(await worker.ask('subscribe', topic)).toMatchObject({ ok: true });

  const pad = randomBytes(300_000).toString('base64');
  for (let n = 0; n < 30; ++n) {
    for (const type of ['photo.uploaded', 'photo.processing.failed']) {
      expect((await server.post('/v1/events', serviceToken('api'), { type, data: { ...upload(`${n}`), pad } })).status).toBe(200);
    }
  }

  await worker.events.until((all) => all.length >= 60);
  expect(handled.size).toBe(30);
  expect(drops.things).toEqual([]);
});

test('a transient event that was given back comes again', async () => {
  const server = await BusServer.start();
  const worker = await connect(server, kWorker);
  expect(await worker.ask('subscribe', 'photo.processing.progress')).toMatchObject({ ok: true });
  await server.post('/v1/events', serviceToken('api'), { type: 'photo.processing.progress', data: { photoId: '1', progress: 1 } });
  const [first] = await worker.events.atLeast(1);
  expect(await worker.ask('nack', (first!.last as { delivery: string }).delivery, { delayMs: 0 })).toMatchObject({ ok: true });
  expect((await worker.events.atLeast(2))[1]!.last).toMatchObject({ attempt: 2 });
});

test('a name belongs to its service, and a group that an operator deletes tells its members', async () => {
  const server = await BusServer.start();
  const worker = await connect(server, kWorker);
  expect(await worker.ask('subscribe', 'photo.uploaded')).toMatchObject({ ok: true });
  const other = await connect(server, serviceToken('other'));
  expect(await other.ask('subscribe', 'photo.uploaded', { group: 'worker' })).toMatchObject({ ok: false, error: { code: 'forbidden' } });

  const path = `${server.url}/v1/groups/worker/photo.uploaded`;
  const remove = (token: string) => fetch(path, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
  expect((await remove(kWorker)).status).toBe(403);
  const operator = serviceToken('operations', { permissions: ['admin:groups'] });
  expect((await remove(operator)).status).toBe(200);
  expect(await worker.control.until((all) => all.some(({ name }) => name === 'watch.ended'))).toContainEqual({
    name: 'watch.ended',
    body: { topic: 'photo.uploaded', group: 'worker', code: 'not_found', message: expect.any(String) },
  });
  expect((await remove(operator)).status).toBe(404);
});

test('a service has no more groups than it may, and waiting does not help', async () => {
  const server = await BusServer.start({ settings: { groups_per_service_max: '2' } });
  const worker = await connect(server, kWorker);
  for (const group of ['pod-1', 'pod-2']) expect(await worker.ask('subscribe', 'photo.uploaded', { group })).toMatchObject({ ok: true });
  const refused = await worker.ask('subscribe', 'photo.uploaded', { group: 'pod-3' });
  expect(refused).toEqual({ ok: false, error: { code: 'too_many', message: expect.stringContaining('groups_per_service_max') } });
  const late = sdk(server, kWorker).subscribe('photo.uploaded', () => {}, { group: 'pod-3', timeoutMs: 300 });
  await expect(late).rejects.toMatchObject({ code: 'timeout', message: expect.stringContaining('groups_per_service_max'), cause: { code: 'too_many' } });
  const other = await connect(server, serviceToken('other'));
  expect(await other.ask('subscribe', 'photo.uploaded')).toMatchObject({ ok: true });
});
