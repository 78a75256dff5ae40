// Who takes part in a run.
import type { Chance } from './chance.ts';
import { MemberDevice } from './devices/member.ts';
import { PackageDevice } from './devices/package.ts';
import { PlainDevice } from './devices/plain.ts';
import { SseDevice } from './devices/sse.ts';
import { TwinsDevice } from './devices/twins.ts';
import { Line } from './line.ts';
import type { Principal } from './tokens.ts';
import { service, user } from './tokens.ts';
import type { World } from './world.ts';

export const kUsers: readonly Principal[] = [
  user('anna', ['team-a']),
  user('ben', ['team-a', 'team-b']),
  user('carl', ['team-b']),
  user('dora', [], ['watch:photo:*']),
  user('emil', ['admin', 'team-a']),
];
export const kTwins: readonly Principal[] = [user('gina', ['team-b'], ['watch:photo:*']), user('hans', ['team-a'], ['watch:photo:*'])];
export const kRoles = ['team-a', 'team-b'];

export interface Hooks {
  /** Publishes durable events about a photo, without waiting for answers. */
  readonly burst: (photo: string) => void;
  /** Publishes something for a user; gives the event's id. */
  readonly note: (user: string) => string;
}

export async function populate(world: World, chance: Chance, hooks: Hooks): Promise<void> {
  const line = (): Promise<Line> => new Line(() => world.server.port).open();
  const add = async (name: string, make: (line: Line, chance: Chance) => World['devices'][number]): Promise<void> => {
    world.devices.push(make(await line(), chance.child(name)));
  };
  for (const who of kUsers) {
    for (const way of ['websocket', 'polling', 'upgrade'] as const) {
      const name = `${who.name}/${way}`;
      await add(name, (line, own) => {
        const device = new PlainDevice(name, who, world, line, own, { way, keepsPlace: own.yes(0.5) });
        device.onBurst = hooks.burst;
        device.onceThere(own.some(world.photos, world.isAllowed('gallery') ? 2 : 1).map((photo) => `photo:${photo}`));
        return device;
      });
    }
  }
  for (const who of kUsers.slice(0, 3)) await add(`${who.name}/stream`, (line, own) => new SseDevice(`${who.name}/stream`, who, world, line, own));
  const [emil] = kUsers.slice(4) as [Principal];
  await add('emil/stream of photos', (line, own) => new SseDevice('emil/stream of photos', emil, world, line, own, world.photos.slice(0, 6).map((photo) => `photo:${photo}`)));
  for (const [at, who] of kUsers.slice(0, 4).entries()) await add(`${who.name}/package`, (line, own) => new PackageDevice(`${who.name}/package`, who, world, line, own, at % 2 === 0 ? ['websocket'] : ['polling', 'websocket']));
  for (const who of kTwins) await add(`${who.name}/twins`, (line, own) => new TwinsDevice(`${who.name}/twins`, who, world, line, own, hooks.note));
  for (const way of ['websocket', 'polling'] as const) await add(`viewer/${way}`, (line, own) => {
    const device = new PlainDevice(`viewer/${way}`, service('viewer'), world, line, own, { way, keepsPlace: true });
    device.onceThere(['photo.note']);
    return device;
  });
  for (const [at, maxInFlight] of [undefined, 8, 1].entries()) {
    await add(`worker/${at}`, (line, own) => new MemberDevice(`worker/${at}`, service('worker'), world, line, own, { group: 'worker', topic: 'job.*', maxInFlight, transport: at === 1 ? 'polling' : 'websocket' }));
  }
  for (const at of [0, 1]) await add(`helper/${at}`, (line, own) => new MemberDevice(`helper/${at}`, service('helper'), world, line, own, { group: 'helper', topic: 'job.todo', maxInFlight: undefined, transport: 'websocket' }));
}
