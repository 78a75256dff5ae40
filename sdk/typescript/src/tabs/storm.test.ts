import { expect, test, vi } from 'vitest';

import type { ScriptedBus } from '../../test/scripted-bus.js';
import { Chance } from '../../test/simulation/chance.js';
import { startBus } from '../../test/support.js';
import type { Tab } from '../../test/tabs.js';
import { TabBrowser } from '../../test/tabs.js';
import type { Subscription } from '../index.js';

const kSubjects = ['photo:1', 'photo:2'];
const kSeeds = Number(process.env.TAB_SEEDS ?? 6);
const kFirstSeed = Number(process.env.TAB_SEED ?? 1);
const kSteps = 60;

interface Watch {
  readonly subject: string;
  readonly seen: number[];
  subscription: Subscription | undefined;
}

/** A tab and what it heard, by offsets. */
class Witness {
  readonly told: number[] = [];
  readonly watches: Watch[] = [];
  readonly gaps: unknown[] = [];
  readonly published: Promise<unknown>[] = [];
  isReady = false;
  toldAfter = Infinity;

  constructor(
    public tab: Tab,
    readonly key: string,
  ) {
    this.begin(tab);
  }

  begin(tab: Tab): void {
    this.tab = tab;
    tab.client.on('user.*', ({ offset }) => this.told.push(positionOf(offset)));
    tab.client.onGap((gap) => this.gaps.push(gap));
  }

  watch(subject: string, since?: string): void {
    const seen: number[] = [];
    const watch: Watch = { subject, seen, subscription: undefined };
    this.watches.push(watch);
    void this.tab.client.subscribe(subject, ({ offset }) => void seen.push(positionOf(offset)), { since }).then(
      (subscription) => (watch.subscription = subscription),
      () => this.watches.splice(this.watches.indexOf(watch), 1),
    );
  }

  /** Where it stood when it was live for the first time: all that comes then is for it. */
  note(bus: ScriptedBus): void {
    if (this.isReady || this.tab.client.state.status !== 'live') return;
    this.isReady = true;
    this.toldAfter = bus.log.length;
  }
}

function positionOf(offset: string): number {
  return Number(offset.split('.')[1]);
}

function positions(bus: ScriptedBus, isOne: (meta: { type: string; subject?: string }) => boolean, after: number): number[] {
  return bus.log.filter(({ meta }) => isOne(meta)).map(({ meta }) => positionOf(meta.offset)).filter((position) => position > after);
}

const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function storm(seed: number): Promise<void> {
  const chance = new Chance(seed, 'tabs');
  const browser = new TabBrowser();
  const bus = await startBus({ recovery: chance.is(0.5) });
  bus.forAll = ['user.*'];
  const witnesses: Witness[] = [];
  let opened = 0;
  const open = async () => {
    const key = `${seed} ${++opened}`;
    witnesses.push(new Witness(await browser.tab(bus, { resumeKey: key }), key));
  };
  const any = () => chance.of(witnesses);
  let published = 0;
  await open();
  for (let step = 0; step < kSteps; ++step) {
    for (const witness of witnesses) witness.note(bus);
    switch (chance.whole(0, 10)) {
      case 0:
        if (witnesses.length < 6) await open();
        break;
      case 10: {
        const witness = any();
        if (!witness.isReady || witness.tab.client.state.status === 'connecting') break;
        for (const promise of witness.published.splice(0)) promise.catch(() => {});
        witness.watches.length = 0;
        witness.begin(await browser.reload(witness.tab, witness.key, bus));
        break;
      }
      case 1: {
        if (witnesses.length < 2) break;
        const [gone] = witnesses.splice(chance.whole(0, witnesses.length - 1), 1);
        for (const promise of gone!.published) promise.catch(() => {});
        await (chance.is(0.5) ? gone!.tab.die() : gone!.tab.client.close({ drainMs: 0 }));
        break;
      }
      case 2:
        if (chance.is(0.5)) bus.breakAll();
        break;
      case 3: {
        const goOn = any().tab.busy();
        setTimeout(goOn, chance.whole(0, 59));
        break;
      }
      case 4:
      case 5:
        any().watch(chance.of(kSubjects), chance.is(0.5) && bus.log.length > 0 ? `1.${chance.whole(0, bus.log.length - 1)}` : undefined);
        break;
      case 6: {
        const { watches } = any();
        const at = watches.findIndex(({ subscription }) => subscription !== undefined);
        if (at >= 0) void watches.splice(at, 1)[0]!.subscription!.unsubscribe();
        break;
      }
      case 7: {
        const { tab, published: promises } = any();
        promises.push(tab.client.publish('service.sent', {}, { id: `own ${++published}` }));
        break;
      }
      default:
        for (let n = chance.whole(0, 2); n >= 0; --n) {
          if (chance.is(0.5)) bus.publish({ type: 'user.told', data: {} });
          else bus.publish({ type: 'photo.changed', subject: chance.of(kSubjects), data: {} });
        }
    }
    await rest(chance.whole(0, 14));
  }

  const last = bus.publish({ type: 'user.told', data: {} });
  for (const subject of kSubjects) bus.publish({ type: 'photo.changed', subject, data: {} });
  await vi.waitFor(() => {
    for (const { tab, told, watches } of witnesses) {
      expect(tab.client.state.status).toBe('live');
      if (told.at(-1) !== positionOf(last.meta.offset)) bus.publish({ type: 'user.told', data: {} });
      for (const { subscription } of watches) expect(subscription).toBeDefined();
    }
  }, { timeout: 8_000, interval: 50 });
  await rest(150);
  bus.publish({ type: 'user.told', data: {} });
  for (const subject of kSubjects) bus.publish({ type: 'photo.changed', subject, data: {} });
  await rest(200);

  for (const [n, { told, toldAfter, watches, gaps, published: promises }] of witnesses.entries()) {
    const owed = positions(bus, ({ type }) => type === 'user.told', Math.min(toldAfter, (told[0] ?? Infinity) - 1));
    expect(told, `seed ${seed}, tab ${n}, told`).toEqual(owed);
    expect(gaps, `seed ${seed}, tab ${n}, gaps`).toEqual([]);
    for (const { subject, seen, subscription } of watches) {
      expect(seen, `seed ${seed}, tab ${n}, ${subject} from ${subscription!.offset}`).toEqual(positions(bus, (meta) => meta.subject === subject, positionOf(subscription!.offset)));
    }
    await Promise.all(promises);
  }
  const ids = bus.log.map(({ meta }) => meta.id).filter((id) => id.startsWith('own'));
  expect(new Set(ids).size, `seed ${seed}, stored once`).toBe(ids.length);
  expect(bus.sockets, `seed ${seed}, sockets`).toHaveLength(1);
  const held = new Set(witnesses.flatMap(({ watches }) => watches.map(({ subject }) => subject)));
  expect([...(bus.sockets[0]!.data.topics as Set<string>)].sort(), `seed ${seed}, topics at the server`).toEqual([...held].sort());
  for (const { tab } of witnesses) await tab.client.close({ drainMs: 0 });
  await bus.stop();
}

test(`tabs that come, go, hang and subscribe as chance wants, of ${kSeeds} seeds, hear each event once and in order`, async () => {
  for (let seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) await storm(seed);
}, 20_000 * kSeeds);
