// The table of the mission: event types and who receives them, with two devices for each person.
import { beforeEach, expect, test } from 'vitest';

import type { PlainClient } from './support/clients.js';
import { connect, fence, sdk } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

type Person = 'uploader' | 'watcher' | 'stranger' | 'admin';

const kTokens: Record<Person, string> = {
  uploader: userToken('alice'),
  watcher: userToken('bob', { permissions: ['watch:photo:*'] }),
  stranger: userToken('carol'),
  admin: userToken('dave', { roles: ['admin'] }),
};
const kPeople = Object.keys(kTokens) as Person[];

let server: BusServer;
let devices: Record<Person, [PlainClient, PlainClient]>;

beforeEach(async () => {
  server = await BusServer.start();
  const entries = await Promise.all(
    kPeople.map(async (person) => {
      const phone = await connect(server, kTokens[person], { transports: ['polling'] });
      const laptop = await connect(server, kTokens[person], { transports: ['websocket'] });
      return [person, [phone, laptop]] as const;
    }),
  );
  devices = Object.fromEntries(entries) as Record<Person, [PlainClient, PlainClient]>;
  await sdk(server, serviceToken('api')).publish('photo.uploaded', { photoId: '123', userId: 'alice', filename: 'vacation.jpg' });
  await fence(server, Object.values(devices).flat());
  for (const device of devices.watcher) expect(await device.ask('subscribe', 'photo:123')).toMatchObject({ ok: true });
  for (const device of Object.values(devices).flat()) device.events.things.length = 0;
});

test.each<[type: string, data: Record<string, unknown>, receivers: Person[]]>([
  ['photo.uploaded', { photoId: '124', userId: 'alice', filename: 'again.jpg' }, ['uploader']],
  ['photo.processing.started', { photoId: '123' }, ['uploader']],
  ['photo.processing.progress', { photoId: '123', progress: 50 }, ['uploader', 'watcher']],
  ['photo.processing.completed', { photoId: '123', thumbnails: ['a'] }, ['uploader', 'watcher']],
  ['photo.processing.completed', { photoId: '123', visibility: 'private' }, ['uploader']],
  ['photo.processing.failed', { photoId: '123', error: 'no image' }, ['uploader']],
  ['batch.processing.completed', { batchId: 'b1', userId: 'alice' }, ['uploader']],
  ['system.health.update', { healthy: true }, ['admin']],
])('%s with %j is received by %j', async (type, data, receivers) => {
  const { id } = await sdk(server, serviceToken('worker')).publish(type, data);
  await fence(server, Object.values(devices).flat());

  const received = Object.fromEntries(kPeople.map((person) => [person, devices[person].map(({ types }, index) => types.call(devices[person][index]))]));
  expect(received).toEqual(Object.fromEntries(kPeople.map((person) => [person, receivers.includes(person) ? [[type], [type]] : [[], []]])));
  for (const device of receivers.flatMap((person) => devices[person])) {
    const [event] = device.events.things;
    expect(event).toMatchObject({ data, meta: { id, type, source: 'service:worker' } });
    expect(event!.last).toBe(event!.meta.offset);
  }
});

test('an announcement is received by everyone', async () => {
  await sdk(server, serviceToken('api')).publish('system.announcement', { text: 'hello' });

  for (const device of Object.values(devices).flat()) expect(await device.events.atLeast(1)).toMatchObject([{ data: { text: 'hello' } }]);
});

test('a watcher does not get what the catalog takes out for watchers', async () => {
  const gps = { lat: 48.1, lon: 11.6 };
  await sdk(server, serviceToken('worker')).publish('photo.processing.completed', { photoId: '123', thumbnails: ['a'], gps });

  for (const device of devices.uploader) expect((await device.events.atLeast(1))[0]!.data).toEqual({ photoId: '123', thumbnails: ['a'], gps });
  for (const device of devices.watcher) expect((await device.events.atLeast(1))[0]!.data).toEqual({ photoId: '123', thumbnails: ['a'] });
});

test("a stranger may not watch somebody's photo, and a photo that nobody owns is refused alike", async () => {
  const [device] = devices.stranger;

  const someones = await device.ask('subscribe', 'photo:123');
  const nobodys = await device.ask('subscribe', 'photo:999');

  expect(someones).toMatchObject({ ok: false, error: { code: expect.any(String), message: expect.any(String) } });
  const said = (answer: unknown) => JSON.stringify(answer).replaceAll(/photo:\d+/g, 'photo:N');
  expect(said(nobodys)).toBe(said(someones));
});

test('a user may neither publish nor consume types', async () => {
  const alice = sdk(server, kTokens.uploader);

  await expect(alice.publish('photo.uploaded', { photoId: '1', userId: 'bob', filename: 'f' })).rejects.toMatchObject({ code: 'forbidden' });
  await expect(alice.subscribe('photo.uploaded', () => {})).rejects.toMatchObject({ code: 'forbidden' });
});
