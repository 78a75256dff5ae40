// What is done to the server while the clients go on.
import type { Chance } from './chance.ts';
import { pause } from './moments.ts';
import type { World } from './world.ts';

export const kFaults = ['none', 'kill', 'stop', 'pause', 'narrow', 'clock', 'full', 'restore'] as const;
export type FaultName = (typeof kFaults)[number];

const kWeights: Record<FaultName, number> = { none: 3, kill: 4, stop: 4, pause: 2, narrow: 4, clock: 1, full: 1, restore: 2 };

/** One of `among`, or of all where that is empty, that this run can do. */
export function drawFault(chance: Chance, among: readonly string[], can: (name: FaultName) => boolean): FaultName {
  const bag = kFaults.filter((name) => (among.length === 0 || among.includes(name)) && can(name)).flatMap((name) => Array<FaultName>(kWeights[name]).fill(name));
  return bag.length === 0 ? 'none' : chance.pick(bag);
}

/** Does it, and puts things right again; `restore` takes the whole round, and is not done here. Gives a word on what was done. */
export async function commit(name: Exclude<FaultName, 'restore'>, world: World, chance: Chance): Promise<string> {
  const { server } = world;
  switch (name) {
    case 'none': return 'left alone';
    case 'kill':
      await server.restart('SIGKILL', () => pause(chance.between(0, 500)));
      return 'kill -9';
    case 'stop':
      await server.restart('SIGTERM', () => pause(chance.between(0, 500)));
      return 'SIGTERM';
    case 'pause': {
      const ms = chance.between(100, 3_000);
      await server.pause(ms);
      return `SIGSTOP for ${ms} ms`;
    }
    case 'narrow': {
      await server.load('narrow');
      await pause(chance.between(3_500, 6_000));
      await server.load('full');
      return 'a narrower catalog';
    }
    case 'clock': {
      const step = chance.pick([-3_600, -60, 60, 1_800]);
      server.stepClock(step);
      await pause(chance.between(500, 2_000));
      if (chance.yes(0.5)) server.stepClock(0);
      return `a clock step of ${step} s`;
    }
    case 'full': {
      await server.fill(chance.pick([0, 4_096, 1_000_000]), chance.between(500, 2_500));
      return 'a full disk';
    }
  }
}
