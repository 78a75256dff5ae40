// A run: rounds of chaos, each followed by a check when everything has come to rest.
import { audit } from './audit.ts';
import { Bursts } from './bursts.ts';
import { Chance } from './chance.ts';
import type { Device } from './devices/device.ts';
import { SseDevice } from './devices/sse.ts';
import type { FaultName } from './faults.ts';
import { commit, drawFault } from './faults.ts';
import { Line } from './line.ts';
import { Groups } from './model/groups.ts';
import type { Fact } from './model/ledger.ts';
import { Ledger } from './model/ledger.ts';
import { Mirror } from './model/mirror.ts';
import { storyOf } from './model/story.ts';
import type { Violation } from './model/trace.ts';
import { Happenings, now, OwnStalls, pause } from './moments.ts';
import type { Options } from './options.ts';
import { populate } from './population.ts';
import { Publisher } from './publishers.ts';
import { BusServer } from './server.ts';
import type { World } from './world.ts';

const kPublishers = 3;
const kPhotosKept = 8;
const kPhotosNew = 4;
const kStillMs = 30_000; // without anything happening: what is awaited will not come
const kLateMs = 8_000;
const kGroupsMs = 75_000; // an event that was lost with several members waits for up to a minute
const kDiskBytes = 1024 * 1024 * 1024; // the server keeps a quarter of that free
const kStoriesMax = 12;

export class Run {
  readonly #options: Options;
  readonly #chance: Chance;
  readonly #world: World;
  readonly #mirrors = new Map<Device, Mirror>();
  readonly #publishers: Publisher[] = [];
  readonly #bursts: Bursts[] = [];
  #fences: Publisher | undefined;
  #lastFence: Fact | undefined;
  #rounds = 0;
  #events = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#chance = new Chance(options.seed, 'run');
    const chosen = this.#chance.child('settings');
    const settings = {
      reactors: chosen.pick(['1', '2', '2']),
      coalesce: chosen.pick(['0s', '0s', '50ms']),
      ping_interval: '2s',
      ping_timeout: '5s',
      group_ack_wait: '3s',
      ...options.settings,
    };
    const canClock = options.faults.length === 0 ? chosen.yes(0.2) : options.faults.includes('clock');
    const server = new BusServer(options.binary, settings, canClock);
    const ledger = new Ledger(server.narrowSpans);
    this.#world = { server, ledger, groups: new Groups(ledger, server), happenings: new Happenings(), stalls: new OwnStalls(), devices: [], photos: [], found: [], isWild: false, isAllowed: (act) => (options.acts.length === 0 || options.acts.includes(act)) && !options.without.includes(act) };
    const hasSmallDisk = options.faults.length === 0 ? chosen.yes(0.2) : options.faults.includes('full');
    if (hasSmallDisk) server.mountSmallDisk(kDiskBytes);
    server.onUnexpectedEnd = (how) => {
      this.#world.found.push({ kind: 'server ended', who: 'the server', text: `it ${how}`, at: now() });
      this.#world.happenings.happened();
    };
    for (const [name, is] of [['clock', server.canStepClock], ['full', server.hasSmallDisk]] as const) {
      if (options.faults.includes(name) && !is) console.log(`chaos: skips ${name}: it needs ${name === 'clock' ? "Debian's faketime" : 'root, and mount'}`);
    }
    const has = [...(server.canStepClock ? ['a clock of its own'] : []), ...(server.hasSmallDisk ? ['a small disk'] : [])];
    console.log(`chaos: seed ${options.seed}, ${Object.entries(settings).map((pair) => pair.join('=')).join(' ')}${has.length === 0 ? '' : `, with ${has.join(' and ')}`}`);
  }

  async begin(): Promise<void> {
    const { server, happenings, devices } = this.#world;
    await server.up();
    const line = (): Promise<Line> => new Line(() => server.port).open();
    this.#fences = new Publisher('fence', this.#world, await line(), this.#chance.child('fence'));
    for (let at = 0; at < kPublishers; ++at) {
      const publisher = new Publisher(`publisher${at}`, this.#world, await line(), this.#chance.child(`publisher${at}`));
      this.#publishers.push(publisher);
      this.#bursts.push(new Bursts(this.#world, publisher, this.#chance.child(`bursts${at}`)));
    }
    this.#world.photos = await this.#bursts[0]!.photos([], kPhotosKept);
    const quiet = new Bursts(this.#world, this.#fences, this.#chance.child('notes'));
    await populate(this.#world, this.#chance.child('population'), { burst: (photo) => this.#bursts[0]!.burst(photo), note: (user) => quiet.note(user) });
    for (const device of devices) {
      if (device.kind !== 'member') this.#mirrors.set(device, new Mirror(device.name, device.who, device.kind, this.#world.ledger, server));
    }
    if (!(await happenings.untilStill(() => devices.every(({ isSettled }) => isSettled), kStillMs))) throw new Error(`not everybody could connect: ${this.#unsettled().join(', ')}`);
  }

  /** True if all was as it should be. */
  async round(): Promise<boolean> {
    const { server } = this.#world;
    const chance = this.#chance.child(`round${++this.#rounds}`);
    const began = now();
    for (const mirror of this.#mirrors.values()) mirror.roundBegan = began;
    const fault = drawFault(chance, this.#options.faults, (name) => (name !== 'clock' || server.canStepClock) && (name !== 'full' || server.hasSmallDisk));
    if (fault === 'restore') await this.#backUp();
    const photos = await this.#untilStill(this.#bursts[0]!.photos(this.#world.photos.slice(0, kPhotosKept), kPhotosNew));
    if (photos === undefined) {
      this.#complain('publish never answered', `after a round that ended well, nothing could be published, and nothing else happened for ${kStillMs} ms`);
      return this.#report(this.#world.found);
    }
    this.#world.photos = photos;
    this.#world.ledger.arrange(); // who owns what, for those who act by it
    this.#world.isWild = true;
    const actors = [...this.#world.devices.map((device) => this.#actor(device)), ...this.#bursts.map((bursts, at) => this.#author(bursts, at))];
    const done = await this.#disturb(fault, chance);
    this.#world.isWild = false;
    await this.#untilStill(Promise.all(actors));
    if (this.#hasEnded) return this.#report(this.#world.found);
    const settleBegan = now();
    const found = await this.#settleAndJudge();
    const facts = this.#world.ledger.log.filter(({ startedAt }) => startedAt >= began).length;
    this.#events += facts;
    console.log(`chaos: +${Math.round(now() / 1_000)} s, round ${this.#rounds}: ${facts} events, ${this.#world.devices.length} clients, ${done}; quiet after ${Math.round(now() - settleBegan)} ms: ${found.length === 0 ? 'ok' : `${found.length} FAULTS`}`);
    if (found.length > 0 && this.#options.isVerbose) console.log(server.lastWords());
    return this.#report(found);
  }

  end(): number {
    console.log(`chaos: seed ${this.#options.seed}: ${this.#rounds} rounds, ${this.#events} events, no fault`);
    return 0;
  }

  async destroy(): Promise<void> {
    await Promise.race([Promise.all(this.#world.devices.map((device) => device.close())), pause(2_000)]);
    for (const publisher of [...this.#publishers, ...(this.#fences === undefined ? [] : [this.#fences])]) publisher.close();
    this.#world.stalls.end();
    await this.#world.server.destroy();
  }

  /** What it resolves to; undefined if nothing has happened for long, or the server has ended. */
  async #untilStill<T>(work: Promise<T>): Promise<T | undefined> {
    const { happenings } = this.#world;
    let done: { readonly value: T } | undefined;
    void work.then((value) => {
      done = { value };
      happenings.happened();
    });
    await happenings.untilStill(() => done !== undefined || this.#hasEnded, kStillMs);
    return done?.value;
  }

  get #hasEnded(): boolean {
    return this.#world.found.some(({ kind }) => kind === 'server ended');
  }

  // --- While it is wild ---------------------------------------------------------------------------------

  async #actor(device: Device): Promise<void> {
    while (this.#world.isWild) {
      await device.act();
      await pause(device.chance.between(20, 300));
    }
  }

  async #author(bursts: Bursts, at: number): Promise<void> {
    const chance = this.#chance.child(`author${at} ${this.#rounds}`);
    const { line } = this.#publishers[at]!;
    while (this.#world.isWild) {
      await bursts.one();
      if (chance.yes(0.05)) line.cut();
      await pause(chance.between(10, 200));
    }
  }

  async #disturb(fault: FaultName, chance: Chance): Promise<string> {
    const until = now() + chance.between(5_000, 9_000);
    await this.#world.happenings.until(() => this.#hasEnded, chance.between(1_000, 4_000));
    if (this.#hasEnded) return 'the server ended';
    const done = fault === 'restore' ? await this.#restore(chance) : await commit(fault, this.#world, chance);
    while (now() < until && !this.#hasEnded) await pause(50);
    return done;
  }

  #backup = { end: '', madeAt: 0 };

  // Copies the data directory while all is quiet: what is published from here on will not have been.
  async #backUp(): Promise<void> {
    const { server } = this.#world;
    const fence = this.#fences!.fact('fence.raised', {});
    await this.#fences!.publish([fence], 'each');
    this.#lastFence ??= fence;
    await server.restart('SIGTERM', () => {
      server.backUp();
      this.#backup = { end: fence.offset!, madeAt: now() };
    });
  }

  async #restore(chance: Chance): Promise<string> {
    const { server, ledger, groups, devices, happenings } = this.#world;
    await server.restart(chance.pick(['SIGKILL', 'SIGTERM']), async () => {
      // What it sent before has come to those for whom it will: places are read as of the log that gave them.
      await happenings.until(() => devices.every(({ isConnected }) => !isConnected), 5_000);
      server.restoreBackup();
      ledger.restored(this.#backup.end, this.#backup.madeAt);
      groups.restored();
    }, 'restore');
    return 'an older copy of the data directory';
  }

  // --- The check ----------------------------------------------------------------------------------------

  #unsettled(): string[] {
    return this.#world.devices.filter(({ isSettled }) => !isSettled).map(({ name }) => name);
  }

  async #settleAndJudge(): Promise<Violation[]> {
    const { happenings, devices, ledger, groups, server, found } = this.#world;
    for (const { line } of this.#publishers) line.heal();
    if (!(await happenings.untilStill(() => this.#publishers.every(({ isQuiet }) => isQuiet) && this.#fences!.isQuiet, kStillMs))) this.#complain('publish never answered', `some of what was published was not answered, and nothing happened for ${kStillMs} ms`);
    for (const device of devices) device.settle();
    const again = setInterval(() => devices.forEach((device) => device.settle()), 1_000);
    if (!(await happenings.untilStill(() => this.#hasEnded || devices.every(({ isSettled }) => isSettled), kStillMs))) this.#complain('never settled', `nothing happened for ${kStillMs} ms, and these had not come back, or had no answer: ${this.#unsettled().join(', ')}`);
    clearInterval(again);
    if (this.#hasEnded) return found;
    const fence = this.#fences!.fact('fence.raised', {});
    if ((await this.#untilStill(this.#fences!.publish([fence], 'each').then(() => true))) !== true) {
      this.#complain('publish never answered', `the fence could not be published, and nothing else happened for ${kStillMs} ms`);
      return found;
    }
    ledger.arrange();
    const hasFence = (device: Device): boolean => device.trace.some((step) => step.kind === 'event' && step.id === fence.id);
    const waits = devices.filter((device) => this.#mirrors.has(device) && !(device instanceof SseDevice && device.topics.length > 0));
    await happenings.untilStill(() => this.#hasEnded || waits.every(hasFence), kLateMs);
    let judged = this.#judge(fence);
    const isCertain = found.length > 0 || judged.violations.some(({ mayStillCome }) => mayStillCome !== true);
    // A round that has failed already does not wait for the longest back-off of a group.
    await happenings.until(() => this.#hasEnded || groups.owed().length === 0, isCertain ? kLateMs : kGroupsMs);
    const isLate = (): boolean => judged.violations.length > 0 && judged.violations.every(({ mayStillCome }) => mayStillCome === true);
    await happenings.untilStill(() => {
      if (isLate()) judged = this.#judge(fence);
      return this.#hasEnded || !isLate();
    }, kLateMs);
    const inLog = this.#lastFence === undefined ? [] : await audit(server, ledger, this.#lastFence, fence);
    const all = [...found, ...judged.violations, ...groups.judge(), ...inLog];
    if (all.length > 0 || !server.isUp) return all;
    for (const [device, mirror] of judged.mirrors) {
      mirror.begin(fence.order!);
      this.#mirrors.set(device, mirror);
      device.trace = [];
    }
    for (const device of devices) device.trace = [];
    groups.begin(fence.order!);
    ledger.forgetBefore(fence.order!);
    this.#lastFence = fence;
    return all;
  }

  #judge(fence: Fact): { violations: Violation[]; mirrors: Map<Device, Mirror> } {
    const mirrors = new Map<Device, Mirror>();
    const violations: Violation[] = [];
    for (const [device, before] of this.#mirrors) {
      const mirror = before.clone();
      mirror.follow(device.trace);
      const seen = device.trace.find((step) => step.kind === 'event' && step.id === fence.id);
      mirror.finish(fence.order!, seen?.at ?? now());
      mirrors.set(device, mirror);
      violations.push(...mirror.violations);
    }
    return { violations, mirrors };
  }

  #complain(kind: string, text: string): void {
    this.#world.found.push({ kind, who: 'the run', text, at: now() });
  }

  // One story of each kind, and how many there are of it.
  #report(found: readonly Violation[]): boolean {
    if (found.length === 0) return true;
    const { ledger, groups, server, devices } = this.#world;
    ledger.arrange();
    const kinds = new Map<string, Violation[]>();
    for (const violation of found) kinds.set(violation.kind, [...(kinds.get(violation.kind) ?? []), violation]);
    for (const [kind, list] of [...kinds].slice(0, kStoriesMax)) {
      const first = list.reduce((least, other) => (other.at < least.at ? other : least));
      console.log(`\nFAULT: ${kind} (${list.length} of this kind, among ${new Set(list.map(({ who }) => who)).size} clients)`);
      console.log(storyOf(first, ledger, groups, server, devices));
    }
    if (this.#hasEnded || kinds.has('publish never answered')) console.log(`\nThe server's last words:\n${server.lastWords()}`);
    console.log(`\nchaos: FAILED with seed ${this.#options.seed} after ${Math.round(now() / 1_000)} s: ${[...kinds].map(([kind, list]) => `${kind} ${list.length}`).join(', ')}`);
    console.log(`Once more: tests/chaos/run ${commandOf(this.#options)}`);
    return false;
  }
}

function commandOf({ seed, seconds, settings, faults, acts, without, binary }: Options): string {
  const lists = Object.entries({ faults, acts, without }).filter(([, list]) => list.length > 0);
  return [`--seed ${seed} --seconds ${seconds}`, ...Object.entries(settings).map(([key, value]) => `--setting ${key}=${value}`), ...lists.map(([name, list]) => `--${name} ${list.join(',')}`), `--server-bin ${binary}`].join(' ');
}
