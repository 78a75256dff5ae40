import type { EventBusError, UntypedEvents } from '../../src/index.js';
import type { Bus, Json } from './bus.js';
import type { Chance } from './chance.js';
import { thePackage } from './package.js';
import type { Client, Heritages, Member, Publication, Slot, Watch, Witness } from './witness.js';
import { tokenOf } from './tokens.js';
import type { Person } from './tokens.js';
import type { Realm } from './world.js';
import { World } from './world.js';

/** What people and their programs are like in this seed. */
export interface Manners {
  /** The life of a token; undefined: it has none that matters. */
  readonly tokenMs: number | undefined;
  /** That a `token` function throws; that it takes a while. */
  tokenFails: number;
  tokenIsSlow: number;
  /** That an observer (`onState`, `onGap`, `onError`) rejects. */
  readonly observersFail: number;
  /** That a handler of a group fails; that it publishes. */
  handlersFail: number;
  handlersPublish: number;
  /** That one closes the client. */
  handlersClose: number;
  handlersMs: number;
  readonly repeatsMax: number | undefined;
  /** What they watch. */
  readonly topics: readonly string[];
  readonly timeoutMs: number;
}

export interface Surroundings {
  readonly bus: Bus;
  readonly chance: Chance;
  readonly witness: Witness;
  readonly manners: Manners;
}

export const kTypes = ['photo.changed', 'photo.liked'];

/** Somebody who uses the package as its README says. All of it runs in the client's realm. */
export class User {
  readonly client: Client;
  /** A group's member has one, however many handlers it has. */
  readonly maxInFlight: number;
  /** The topics that its page will subscribe to, as the page before did. */
  readonly planned: string[] = [];
  readonly #names = { watches: 0, events: 0 };
  readonly #offs = new Map<Watch | Member, () => unknown>();
  #brokeUnnamed = false;

  constructor(
    readonly around: Surroundings,
    realm: Realm,
    person: Person,
    options: { readonly keepsItsPlace: boolean; readonly heritage?: Heritages; readonly tookOver?: boolean },
  ) {
    const { witness, manners, bus, chance } = around;
    this.maxInFlight = chance.of([1, 2, 64]);
    const eventBus = new (thePackage().EventBus)<UntypedEvents>({
      url: 'https://bus.example.com',
      token: () => this.#token(),
      timeoutMs: manners.timeoutMs,
      ...(manners.repeatsMax !== undefined && { repeatsMax: manners.repeatsMax }),
      ...(!options.keepsItsPlace && { resumeKey: false }),
    });
    this.client = {
      label: `${person.client} of ${person.name}`,
      realm,
      person,
      bus: eventBus,
      gaps: [],
      watches: [],
      groups: [],
      heritage: options.heritage ?? new Map(),
      tookOver: options.tookOver ?? false,
      isNamed: options.heritage !== undefined,
      keepsItsPlace: options.keepsItsPlace,
      liveSince: undefined,
      seenMax: 0,
      closesAt: undefined,
      closedAt: undefined,
      isSignedOut: false,
      wasSignedOut: false,
      published: [],
    };
    witness.clients.push(this.client);
    const fails = chance.is(manners.observersFail);
    const insists = chance.is(0.3);
    eventBus.onState(async (state) => {
      World.current.say(`${person.client} is ${state.status}${state.missed === undefined ? '' : `, missed ${state.missed}`}${state.error === undefined ? '' : `: ${state.error.message}`}`);
      if (eventBus.state.status !== state.status) World.current.fault(`${person.client} was told ${state.status} while it is ${eventBus.state.status}`);
      if (state.status === 'closed' && this.client.closesAt !== undefined) this.#isClosed();
      if (state.status === 'reconnecting' && !this.client.isNamed) this.#brokeUnnamed = true;
      if (state.error?.code === 'signed_out') this.client.isNamed = false;
      if (state.status === 'live' || state.status === 'catching-up') this.client.liveSince ??= bus.log.endSequence;
      if (state.status === 'closed' && state.error !== undefined && insists && this.canAct && this.client.watches.length < 20) this.subscribe(this.topic());
      if (fails) throw new Error('onState fails');
    });
    eventBus.onGap(async ({ from, to }) => {
      World.current.say(`${person.client} is told of a gap from ${from ?? 'the beginning'} to ${to}`);
      witness.count('gaps');
      const sequences = bus.log.sequences;
      this.client.gaps.push({ from: from === undefined ? 0 : (sequences.get(from) ?? 0), to: sequences.get(to) ?? 0 });
      // Of a connection that broke before it had named a place only the client knows.
      const isOfItsOwn = from === undefined && this.#brokeUnnamed;
      if (!isOfItsOwn && !bus.told.some(({ client, what, code }) => client === person.client && (what === 'gap' || (what === 'refused' && code === 'bad_offset')))) World.current.fault(`${person.client} is told of a gap, and the bus has told of none`);
      if (fails) throw new Error('onGap fails');
    });
    eventBus.onError(async (error) => {
      World.current.say(`${person.client} is told of an error: ${error.code} ${error.message}`);
      if (fails) throw new Error('onError fails');
    });
  }

  get canAct(): boolean {
    return this.client.realm.isAlive && this.client.closesAt === undefined;
  }

  // ---- watching -----------------------------------------------------------------------------------

  subscribe(topic: string, options: { since?: string; timeoutMs?: number; group?: null; aborts?: boolean } = {}): Watch {
    const { witness, bus, manners } = this.around;
    const { client } = this;
    const { since, group } = options;
    const watch = this.#watch(topic, since, false);
    const timeoutMs = options.timeoutMs ?? manners.timeoutMs;
    const controller = options.aborts ? new AbortController() : undefined;
    const calledAt = World.current.now;
    const promise = client.bus.subscribe(topic, (event) => this.#take(watch, event.offset), {
      ...(since !== undefined && { since }),
      ...(group === null && { group }),
      ...(options.timeoutMs !== undefined && { timeoutMs }),
      ...(controller !== undefined && { signal: controller.signal }),
      onEnd: (error) => this.#ended(watch, error),
    });
    if (controller !== undefined) {
      this.#in(this.around.chance.whole(0, 200), () => {
        this.#end(watch);
        controller.abort();
      });
    }
    promise.then(
      ({ offset, unsubscribe }) => {
        World.current.say(`${watch.label} is confirmed from ${offset}`);
        witness.count('subscriptions');
        if (watch.until !== undefined) return void unsubscribe();
        witness.confirmed(client, watch, offset);
        this.#offs.set(watch, unsubscribe);
      },
      () => this.#end(watch),
    );
    witness.expects(client, `subscribe of ${watch.label}`, timeoutMs, promise, (error) => {
      const isTold = (code: string) => bus.told.some((told) => told.client === client.person.client && told.what === 'refused' && told.topic === topic && told.code === code);
      if (error.code === 'aborted' && controller?.signal.aborted === true) return undefined;
      if (['forbidden', 'bad_offset', 'too_many_rooms'].includes(error.code)) return isTold(error.code) ? undefined : 'the bus has not said so';
      return witness.mayReject(client, error, calledAt, timeoutMs);
    });
    return watch;
  }

  /** Subscribes to `topic` so much later. */
  plan(topic: string, ms: number): void {
    this.planned.push(topic);
    this.#in(ms, () => {
      this.planned.splice(this.planned.indexOf(topic), 1);
      if (this.canAct) this.subscribe(topic);
    });
  }

  listen(topic: string): Watch {
    const watch = this.#watch(topic, undefined, true);
    this.#offs.set(watch, this.client.bus.on(topic, (event) => this.#take(watch, event.offset)));
    return watch;
  }

  unsubscribe(watch: Watch): void {
    const off = this.#offs.get(watch);
    this.#end(watch);
    this.#offs.delete(watch);
    World.current.say(`${watch.label} is taken off`);
    const done = off?.();
    if (done instanceof Promise) this.around.witness.expects(this.client, `unsubscribe of ${watch.label}`, 60_000, done);
  }

  /** Those of them that can be taken off. */
  get confirmedWatches(): Watch[] {
    return this.ownWatches.filter((watch) => this.#offs.has(watch));
  }

  get ownWatches(): Watch[] {
    return this.client.watches.filter(({ until }) => until === undefined);
  }

  #watch(topic: string, since: string | undefined, isLocal: boolean): Watch {
    const { bus } = this.around;
    const { client } = this;
    const slot = isLocal ? undefined : this.#slotIn(topic);
    const watch: Watch = {
      label: `${client.person.client}'s ${isLocal ? 'on' : 'watch'} ${++this.#names.watches} of ${topic}${since === undefined ? '' : ` since ${since}`}`,
      topic,
      since,
      isLocal,
      askedAt: bus.log.endSequence,
      seenAtAsk: client.seenMax,
      inherited: slot?.left,
      seen: [],
      seenAt: [],
      from: undefined,
      until: undefined,
      ended: undefined,
      heritage: undefined,
    };
    if (slot !== undefined) slot.watch = watch;
    World.current.say(`${watch.label} is asked for`);
    client.watches.push(watch);
    return watch;
  }

  #take(watch: Watch, offset: string): void {
    if (!this.client.realm.isAlive) return;
    World.current.say(`${watch.label} is given ${offset}`);
    this.around.witness.called(this.client, watch, offset);
  }

  // Its place among those of its topic is the first that is no other's.
  #slotIn(topic: string): Slot {
    const { heritage } = this.client;
    const slots = heritage.get(topic) ?? heritage.set(topic, []).get(topic)!;
    let slot = slots.find(({ watch }) => watch === undefined);
    if (slot === undefined) slots.push((slot = { watch: undefined, left: undefined }));
    return slot;
  }

  // One that was confirmed takes its place with it, the next one may have that of another.
  #end(watch: Watch): void {
    watch.until ??= this.around.bus.log.endSequence;
    const slot = this.client.heritage.get(watch.topic)?.find((one) => one.watch === watch);
    if (slot === undefined) return;
    slot.watch = undefined;
    if (watch.from !== undefined) slot.left = undefined;
  }

  #ended(watch: Watch, error: EventBusError): void {
    World.current.say(`${watch.label} has ended: ${error.code} ${error.message}`);
    const { bus, witness } = this.around;
    if (watch.until !== undefined) World.current.fault(`${watch.label} is told of its end behind its end`);
    const isTold = bus.told.some(({ client, what, topic, code }) => client === this.client.person.client && (what === 'ended' || (what === 'refused' && code !== 'bad_offset')) && topic === watch.topic && code === error.code);
    if (!isTold) World.current.fault(`${watch.label} has ended with ${error.code}, and the bus has not said so`);
    watch.ended = error;
    witness.count('watches ended');
    this.#end(watch);
    witness.judgeWatch(this.client, watch, Infinity);
  }

  // ---- working ------------------------------------------------------------------------------------

  work(topic: string, group: string | undefined, maxInFlight: number): void {
    const { witness, manners } = this.around;
    const { client } = this;
    const member: Member = { label: `${client.person.client}'s work ${++this.#names.watches} of ${topic} in ${group ?? 'its group'}`, topic, group, maxInFlight, isOn: true, confirmedAt: undefined, running: new Set(), seen: new Set() };
    client.groups.push(member);
    World.current.say(`${member.label} is asked for`);
    const calledAt = World.current.now;
    const promise = client.bus.subscribe(topic, (event, delivery) => this.#handle(member, event, delivery?.group), { maxInFlight, ...(group !== undefined && { group }) });
    promise.then(
      ({ group: named, unsubscribe }) => {
        World.current.say(`${member.label} is confirmed in ${named}`);
        member.group = named;
        member.confirmedAt = this.around.bus.log.endSequence;
        this.#offs.set(member, unsubscribe);
      },
      () => (member.isOn = false),
    );
    witness.expects(client, `subscribe of ${member.label}`, manners.timeoutMs, promise, (error) => witness.mayReject(client, error, calledAt, manners.timeoutMs));
  }

  get confirmedMembers(): Member[] {
    return this.client.groups.filter((member) => member.isOn && this.#offs.has(member));
  }

  leave(member: Member): void {
    World.current.say(`${member.label} is taken off`);
    member.isOn = false;
    const done = this.#offs.get(member)!() as Promise<void>;
    this.#offs.delete(member);
    this.around.witness.expects(this.client, `unsubscribe of ${member.label}`, 60_000, done);
  }

  async #handle(member: Member, event: Json & { offset: string; source: string; id: string }, group: string | undefined): Promise<void> {
    const { witness, manners, chance } = this.around;
    const key = `${event.source} ${event.id}`;
    World.current.say(`${member.label} begins with ${event.offset} of ${group}`);
    witness.working(member, key, event.offset);
    try {
      await this.#sleep(chance.weighted([[4, chance.whole(0, 5)], [2, chance.whole(0, manners.handlersMs)]]));
      if (chance.is(manners.handlersPublish)) await this.publish(1, true);
      if (chance.is(manners.handlersClose) && this.canAct) await this.#closeWithin(member);
      if (chance.is(manners.handlersFail)) throw new Error('the work fails');
    } finally {
      member.running.delete(key);
      if (this.client.realm.isAlive) World.current.say(`${member.label} is done with ${event.offset}`);
    }
  }

  // It need not wait for itself.
  async #closeWithin(member: Member): Promise<void> {
    const { client } = this;
    const others = () => client.groups.reduce((sum, { running }) => sum + running.size, 0) - 1;
    let aloneSince: number | undefined = others() === 0 ? World.current.now : undefined;
    const look = () => {
      if (client.closedAt !== undefined) return;
      if (others() === 0) aloneSince ??= World.current.now;
      this.#in(100, look);
    };
    look();
    await this.close();
    if (this.around.bus.habits.slowMs > 1_000) return; // what was handled may wait for its answer
    if (aloneSince !== undefined && World.current.now - aloneSince > 2_000) World.current.fault(`${member.label} closes, and that waits for itself`);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#in(ms, resolve));
  }

  // ---- publishing ---------------------------------------------------------------------------------

  /** One call: an event, or a batch. */
  publish(events: number, isWork = false, padding = 0): Promise<void> {
    const { witness, manners, chance } = this.around;
    const { client } = this;
    const ids = Array.from({ length: events }, () => `${client.person.client}-${++this.#names.events}`);
    const bodies = ids.map((id) => ({ id, type: isWork ? 'work.done' : chance.of(kTypes), data: { photoId: String(chance.whole(1, 6)), ...(padding > 0 && { padding: 'é'.repeat(padding) }) } }));
    const publication: Publication = { ids, at: World.current.now, isWork, outcome: undefined };
    client.published.push(publication);
    World.current.say(`${client.person.client} publishes ${ids.join(' ')}`);
    const isBatch = events !== 1;
    const [{ type, data, id }] = bodies as [(typeof bodies)[0]];
    const promise = isBatch ? client.bus.publish(bodies) : client.bus.publish(type, data, { id }).then((one) => [one]);
    const calledAt = World.current.now;
    const wasRunning = isWork && client.closedAt === undefined;
    witness.expects(client, `publish of ${ids.join(' ')}`, manners.timeoutMs, promise, (error) => {
      publication.outcome = error;
      if (JSON.stringify(error.ids) !== JSON.stringify(ids)) return `its ids are ${JSON.stringify(error.ids)}`;
      const isLarge = 2 * padding > this.around.bus.habits.maxPayload;
      if (error.code === 'too_large') return isLarge ? undefined : 'it is small';
      if (error.code === 'closed' && wasRunning && client.closesAt !== undefined && World.current.now - client.closesAt < 4_900 && client.closedAt === undefined) return 'its handler is still at work';
      if (isLarge && error.code === 'timeout' && client.bus.state.status === 'live') return 'it is too large, and that is known';
      return witness.mayReject(client, error, calledAt, manners.timeoutMs);
    });
    return promise.then(
      (published) => witness.stored(publication, published),
      () => {},
    );
  }

  // ---- coming and going ---------------------------------------------------------------------------

  signOut(): void {
    World.current.say(`${this.client.label} signs out`);
    this.client.isSignedOut = this.client.wasSignedOut = true;
  }

  /** Signs in again, and goes on. */
  signIn(): void {
    if (!this.client.isSignedOut) return;
    World.current.say(`${this.client.label} signs in`);
    this.client.isSignedOut = false;
    if (this.client.bus.state.status === 'closed') this.client.bus.connect();
  }

  close(drainMs?: number): Promise<void> {
    const { client } = this;
    if (client.closesAt === undefined) {
      client.closesAt = World.current.now;
      for (const watch of client.watches) this.around.witness.judgeWatch(client, watch, 0);
    }
    World.current.say(`${client.label} closes`);
    const promise = client.bus.close(drainMs === undefined ? {} : { drainMs });
    this.around.witness.expects(client, 'close', drainMs ?? 5_000, promise);
    return promise;
  }

  #isClosed(): void {
    const { client } = this;
    client.closedAt ??= World.current.now;
    for (const watch of client.watches) watch.until ??= this.around.bus.log.endSequence;
    for (const member of client.groups) member.isOn = false;
  }

  /** Later, in the same page or process. */
  #in(ms: number, run: () => void): void {
    World.current.in(ms, this.client.realm, run);
  }

  async #token(): Promise<string | null> {
    const { chance, manners } = this.around;
    const { client } = this;
    if (chance.is(manners.tokenIsSlow)) await this.#sleep(chance.weighted([[5, chance.whole(0, 2_000)], [1, 12_000]]));
    if (client.isSignedOut) {
      if (chance.is(0.5)) return null;
      throw new (thePackage().SignedOut)();
    }
    if (chance.is(manners.tokenFails)) throw new Error('the token cannot be fetched');
    return tokenOf(client.person, World.current.date + (manners.tokenMs ?? 10 * 3_600_000));
  }

  /** A topic that a user may like. */
  topic(): string {
    return this.around.chance.of(this.around.manners.topics);
  }
}
