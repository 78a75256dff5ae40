import './globals.js';

import { Bus } from './bus.js';
import { Chance } from './chance.js';
import { Network } from './network.js';
import type { Manners } from './person.js';
import { Scene } from './scene.js';
import { Witness } from './witness.js';
import { World } from './world.js';

const kSubjects = ['photo:1', 'photo:2', 'photo:3', 'photo:5', 'photo:6'];
const kOverlapping = [...kSubjects, 'photo.changed', 'photo.*', '**'];
const kTopics = [kSubjects, ['photo.changed', 'photo.liked'], kOverlapping];

export interface Outcome {
  /** What was special in this seed. */
  readonly setting: string;
  readonly faults: readonly string[];
  readonly trace: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly virtualMs: number;
}

/** Runs one seed: people use the package for a while in a bad world, then all is calm, and it is judged. */
export async function runSeed(seed: number): Promise<Outcome> {
  const world = new World(seed);
  const chance = new Chance(seed, 'people');
  const busChance = new Chance(seed, 'bus');
  const rare = (probability: number, value: number) => (chance.is(probability) ? value : 0);

  const bus = new Bus(busChance, {
    recovery: !chance.is(0.1),
    maxPayload: chance.is(0.3) ? 4_000 : 1_000_000,
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    refused: rare(0.4, 0.1),
    unwelcome: rare(0.3, 0.2),
    forgotten: rare(0.4, 0.4),
    slow: chance.of([0.02, 0.1, 0.4]),
    slowMs: chance.of([100, 1_000, 12_000]),
    doubled: rare(0.2, 0.2),
    atOnce: chance.of([1, 4, 30]),
  });
  const stormy = { latencyMs: chance.of([1, 20, 200]), together: chance.of([0, 0.3, 0.9]), refused: rare(0.3, 0.3), swallowed: rare(0.1, 0.1) };
  world.network = new Network(new Chance(seed, 'network'), stormy, bus);
  const witness = new Witness(bus);
  const manners: Manners = {
    tokenMs: chance.is(0.3) ? chance.of([5_000, 20_000]) : undefined,
    tokenFails: rare(0.2, 0.4),
    tokenIsSlow: rare(0.3, 0.3),
    observersFail: 0.2,
    handlersFail: rare(0.4, 0.2),
    handlersPublish: rare(0.5, 0.5),
    handlersClose: rare(0.2, 0.05),
    handlersMs: chance.of([50, 500, 4_000]),
    repeatsMax: chance.is(0.3) ? 5 : undefined,
    topics: chance.of(kTopics),
    timeoutMs: chance.of([8_000, 30_000]),
  };
  const scene = new Scene({ bus, chance, witness, manners });

  const lastsMs = chance.of([5_000, 20_000, 40_000]);
  for (let actions = chance.whole(20, 70), at = 0; actions > 0; --actions) {
    // Some of what happens, happens at once.
    if (chance.is(0.7)) at = chance.whole(0, lastsMs);
    world.in(at, undefined, () => scene.happen());
  }
  await world.run(lastsMs);

  world.say('calm');
  world.network.weather = { latencyMs: 5, together: stormy.together, refused: 0, swallowed: 0 };
  Object.assign(bus.habits, { refused: 0, unwelcome: 0, forgotten: 0, slow: 0, doubled: 0 });
  Object.assign(manners, { tokenFails: 0, tokenIsSlow: 0, handlersFail: 0, handlersClose: 0, handlersMs: 0 });
  bus.distrusted.clear();
  scene.calm();
  await world.run(world.now + 30_000);
  witness.calm();
  await world.run(world.now + 120_000);
  scene.probe();
  await world.run(world.now + 10_000);
  // One whose token has just ended is on its way back.
  await world.run(world.now + 15_000, () => witness.isLive());
  witness.judge();

  world.say('the end');
  scene.closeAll();
  await world.run(world.now + 60_000);
  witness.judgeClosed();
  const setting = [
    ...(manners.topics === kOverlapping ? ['overlapping topics'] : []),
    ...(bus.habits.recovery ? [] : ['no recovery']),
    ...(manners.repeatsMax === undefined ? [] : ['few repeats']),
    ...(manners.tokenMs === undefined ? [] : ['short tokens']),
  ];
  return { setting: setting.join(', ') || 'usual', faults: world.faults, trace: world.trace, counts: witness.counts, virtualMs: world.now };
}
