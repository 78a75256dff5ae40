// A client of the package behind a proxy of its own, and what pages and services do with it.
import type { EventBus, EventBusError, Subscription } from '@shared-infra/event-bus';
import { createEventBus } from '@shared-infra/event-bus';

import type { Chance } from '../chance.ts';
import { now, pause } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import { tokenOf } from '../tokens.ts';
import { kServicePatterns, kThings, kUserPatterns } from './catalog.ts';
import type { Group } from './groups.ts';
import { Hands } from './groups.ts';
import type { CutKind } from './proxy.ts';
import { Proxy } from './proxy.ts';
import type { BusEvent, View } from './views.ts';
import { Loop, Own, Watch } from './views.ts';
import type { World } from './world.ts';

const kLinesMax = 20_000;
const kLineCharsMax = 240;
const kWatchesMax = 10;
const kTimeouts = [undefined, undefined, 3_000, 8_000];
const kAgainMs = 100; // the first pause before it connects again; the package's own is longer than a round has time for
const kDrainMs = 1_000;
const kTokenSeconds = 12; // longer than a line stalls and a busy machine is late

interface Held {
  readonly view: Watch;
  subscription: Subscription | undefined;
  readonly abort: AbortController;
}

interface Membership {
  readonly group: Group;
  readonly hands: Hands;
  readonly abort: AbortController;
  subscription: Subscription | undefined;
}

type Act = readonly [name: string, weight: number, act: () => unknown];

/** One page or process; `leave` ends its client, and the next one is another page of the same person. */
export class Client {
  readonly name: string;
  readonly who: Principal;
  readonly chance: Chance;
  readonly groups: readonly Group[];
  readonly lines: { readonly at: number; readonly text: string }[] = [];
  protected readonly world: World;
  readonly #transports: string[];
  readonly #tokenSeconds: number | undefined;
  #proxy: Proxy | undefined;
  #bus: EventBus | undefined;
  #life = 0;
  #calls = 0;
  #held: Held[] = [];
  #owns: { readonly view: Own; readonly off: () => void }[] = [];
  #memberships: Membership[] = [];
  #hands = new Map<Group, Hands>(); // of this life
  #views: View[] = [];
  #isLeaving = false;
  readonly #left = new WeakSet<EventBus>(); // those that were told to close

  constructor(name: string, who: Principal, world: World, chance: Chance, transports: string[], groups: readonly Group[] = []) {
    this.name = name;
    this.who = who;
    this.world = world;
    this.chance = chance;
    this.groups = groups;
    this.#transports = transports;
    this.#tokenSeconds = chance.yes(0.5) ? kTokenSeconds : undefined;
  }

  async begin(): Promise<void> {
    this.#proxy = await new Proxy(() => this.world.server.port, this.chance.child('proxy'), (text) => this.note(text)).open();
    this.#comeBack();
    await Promise.all(this.groups.map((group) => this.#join(group)));
  }

  get views(): readonly View[] {
    return this.#views;
  }

  get isLive(): boolean {
    return this.#bus?.state.status === 'live';
  }

  get status(): string {
    return JSON.stringify(this.#bus?.state);
  }

  /** From now on the proxy does what networks do; or all passes as it comes. */
  set isFair(isFair: boolean) {
    this.note(isFair ? '--- fair weather' : '--- bad weather');
    this.#proxy!.isFair = isFair;
  }

  note(text: string): void {
    this.lines.push({ at: now(), text: text.length > kLineCharsMax ? `${text.slice(0, kLineCharsMax)}… (${text.length})` : text });
    if (this.lines.length > 1.5 * kLinesMax) this.lines.splice(0, this.lines.length - kLinesMax);
  }

  /** One of the things that clients do. */
  async act(): Promise<void> {
    const own: Act[] = [
      ['watch', 14, () => void this.#watch()],
      ['past', 6, () => void this.#watch(true)],
      ['twice', 4, () => this.#watchTwice()],
      ['unwatch', 7, () => void this.#unwatch()],
      ['swap', 4, () => this.#swap()],
      ['abort', 2, () => void this.#abort()],
      ['on', 2, () => this.#listen()],
      ['off', 1, () => this.#unlisten()],
      ['stream', 3, () => void this.#stream()],
      ['leave', 1, () => this.#leave()],
      ['reconnect', 1, () => this.#bus!.reconnect()],
      ['disconnect', 1, () => this.#disconnect()],
      ...(this.groups.length === 0 ? [] : ([['join', 5, () => void this.#join(this.chance.pick(this.groups))], ['part', 4, () => void this.#part()]] as const)),
      ...this.moreActs,
    ];
    const proxy = this.#proxy!;
    const kind = (): CutKind => this.chance.pick<CutKind>(['both', 'both', 'client', 'server']);
    const line: Act[] = [
      ['cut', 3, () => proxy.cut(kind())],
      ['bite', 7, () => proxy.cutAt(this.chance.pick(['up', 'down']), this.chance.below(this.chance.pick([10, 300, 3_000, 30_000])), kind())],
      ['stall', 3, () => proxy.stall(this.chance.yes(0.6) ? this.chance.between(50, 5_000) : 0, this.chance.yes(0.6) ? this.chance.between(50, 5_000) : 0)],
      ['refuse', 1, () => proxy.refuse(this.chance.between(50, 1_500))],
    ];
    const acts = [...own, ...line].filter(([name]) => !this.world.without.includes(name));
    if (acts.length === 0) return;
    let draw = this.chance.below(acts.reduce((sum, [, weight]) => sum + weight, 0));
    const [, , act] = acts.find(([, weight]) => (draw -= weight) < 0)!;
    await act();
  }

  protected get moreActs(): readonly Act[] {
    return [];
  }

  /** At the end of a round each group has a member, and is given what it lacks. */
  async settle(): Promise<void> {
    for (const group of this.groups) if (!this.#memberships.some((membership) => membership.group === group)) await this.#join(group);
  }

  /** Forgets what was judged. */
  forget(fence: number): void {
    this.#views = this.#views.filter((view) => {
      view.forget(fence);
      return !view.hasEnded;
    });
  }

  async close(): Promise<void> {
    this.#isLeaving = true;
    if (this.#bus !== undefined) this.#left.add(this.#bus);
    await this.#bus?.close({ drainMs: 0 });
    this.#proxy?.close();
  }

  protected publish(facts: readonly { readonly type: string; readonly data: object }[], options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal } = {}): Promise<unknown> {
    const call = ++this.#calls;
    const by = `${this.name} (${this.#life})`;
    const events = facts.map((fact, at) => ({ ...fact, id: `${this.name}.${this.#life}.${call}.${at}` }));
    for (const { id } of events) this.world.facts.set(id, { id, by, call: call + events.findIndex((event) => event.id === id) / 1_000, calledAt: now(), outcome: undefined });
    const bus = this.#bus!;
    const [first] = events;
    const answer = events.length === 1 ? bus.publish(first!.type, first!.data, { id: first!.id, ...options }).then((published) => [published]) : bus.publish(events, options);
    const settle = (outcome: (at: number) => { offset: string } | { code: string }): void => events.forEach(({ id }, at) => (this.world.facts.get(id)!.outcome = outcome(at)));
    return this.world.track(`publish of ${first!.id} and ${events.length - 1} more, by ${by}`, answer).then(
      (published) => {
        settle((at) => ({ offset: published[at]!.offset }));
        this.world.offsets.push(published.at(-1)!.offset);
        if (this.world.offsets.length > 40) this.world.offsets.shift();
        this.world.events += events.length;
      },
      (error: EventBusError) => {
        settle(() => ({ code: error.code }));
        this.#isExpected(error, bus, 'publish', 'timeout', 'aborted', 'too_many');
      },
    );
  }

  // --- One client after the other ---------------------------------------------------------------------------

  #comeBack(): void {
    const life = ++this.#life;
    this.#hands = new Map();
    const socketOptions = { transports: this.#transports, reconnectionDelay: kAgainMs, reconnectionDelayMax: 4 * kAgainMs, timeout: 5_000 };
    const bus = createEventBus({ url: this.#proxy!.url, token: () => tokenOf(this.who, this.#tokenSeconds), resumeKey: false, socketOptions });
    this.#bus = bus;
    this.#isLeaving = false;
    bus.onState((state) => {
      this.note(`=== ${life}: ${state.status}${state.missed === undefined ? '' : `, missed ${state.missed}`}${state.error === undefined ? '' : `, ${state.error.code}: ${state.error.message}`}`);
      if (state.status === 'live' && this.#bus === bus) for (const { view } of this.#owns) view.begin();
      if (state.status === 'closed' && state.error !== undefined) this.world.fault('closed', this.name, `the client ended by itself: ${state.error.code}, ${state.error.message}`, '===');
      this.world.happenings.happened();
    });
    bus.onError((error) => {
      this.note(`=== ${life}: onError ${error.code}: ${error.message}`);
      if (error.code === 'timeout' && / answer n?ack /.test(error.message)) return; // a machine that is busy for 10 s; the event comes again
      if (error.code !== 'internal' || !error.message.includes(kFailure)) this.world.fault('error', this.name, `onError heard ${error.code}: ${error.message}`, '===');
    });
    bus.onGap(({ from, to }) => {
      this.note(`=== ${life}: onGap ${from} ${to}`);
      // A client that left before it had its first place has nothing to go on from.
      if (from === undefined) return this.#owns.forEach(({ view }) => view.miss(to));
      this.world.fault('false gap', this.name, `a gap from ${from} to ${to} was told, and nothing is missing`, 'resume.', '===');
    });
    for (let count = 0; count < 2; ++count) this.#listen();
  }

  async #leave(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    const bus = this.#bus!;
    this.#left.add(bus);
    this.note('=== closes');
    const groups = this.#memberships.map(({ group }) => group);
    this.#memberships = [];
    await this.world.track(`close of ${this.name}`, bus.close({ drainMs: kDrainMs }));
    for (const { view } of [...this.#held, ...this.#owns]) view.end();
    this.#held = [];
    this.#owns = [];
    this.#comeBack();
    for (const group of groups) void this.#join(group);
  }

  async #disconnect(): Promise<void> {
    const bus = this.#bus!;
    this.note('=== disconnects');
    bus.disconnect();
    await pause(this.chance.between(0, 600));
    if (!this.#left.has(bus)) bus.connect();
  }

  // --- Subscriptions ------------------------------------------------------------------------------------------

  #topic(): string {
    if (this.chance.yes(0.6)) return this.chance.pick(kThings);
    return this.chance.pick(this.who.kind === 'user' ? kUserPatterns : kServicePatterns);
  }

  async #watch(wantsPast = false, topic = this.#topic()): Promise<void> {
    if (this.#held.length >= kWatchesMax || this.#isLeaving) return;
    const since = wantsPast && this.world.offsets.length > 0 && !this.world.without.includes('past') ? this.chance.pick(this.world.offsets) : undefined;
    const bus = this.#bus!;
    const name = `${this.name}'s subscription ${++this.#calls} to ${topic}${since === undefined ? '' : ` since ${since}`}`;
    const view = new Watch(this.name, topic, name);
    const held: Held = { view, subscription: undefined, abort: new AbortController() };
    this.#held.push(held);
    this.#views.push(view);
    this.note(`=== asks for ${name}`);
    const group = this.who.kind === 'service' && !topic.includes(':') ? { group: null } : {};
    const onEnd = (error: EventBusError): void => this.world.fault('ended', this.name, `${name} was ended: ${error.code}, ${error.message}`, topic);
    const work = bus.subscribe(topic, this.#handlerOf(view), { since, concurrency: this.chance.pick([undefined, undefined, 1, 3]), ...group, onEnd, signal: held.abort.signal, timeoutMs: this.chance.pick(kTimeouts) });
    try {
      held.subscription = await this.world.track(name, work);
      this.note(`=== ${name} begins at ${held.subscription.offset}`);
      view.confirmed(held.subscription.offset);
    } catch (thrown) {
      view.end();
      this.#held = this.#held.filter((other) => other !== held);
      this.note(`=== ${name} was refused: ${(thrown as EventBusError).code}`);
      this.#isExpected(thrown as EventBusError, bus, name, 'timeout', 'aborted');
    }
  }

  #handlerOf(view: View): (event: BusEvent) => unknown {
    const isSlow = this.chance.yes(0.3);
    return (event) => {
      this.#hear(view, event);
      return isSlow ? pause(this.chance.between(0, 8)) : undefined;
    };
  }

  // A loop that is left after a while.
  async #stream(): Promise<void> {
    const bus = this.#bus!;
    const topic = this.#topic();
    const group = this.who.kind === 'service' && !topic.includes(':') ? { group: null } : {};
    const name = `${this.name}'s loop ${++this.#calls} over ${topic}`;
    const events = bus.events(topic, group);
    const view = new Loop(this.name, topic, name);
    this.#views.push(view);
    this.note(`=== begins ${name}`);
    const timer = setTimeout(() => void events.return?.(), this.chance.between(100, 4_000));
    try {
      for await (const event of events) {
        this.#hear(view, event);
        if (this.chance.yes(0.3)) await pause(this.chance.between(0, 20));
        if (view.hasEnded) break;
      }
    } catch (thrown) {
      this.#isExpected(thrown as EventBusError, bus, name, 'timeout');
    } finally {
      clearTimeout(timer);
      view.end();
      this.note(`=== ends ${name}`);
    }
  }

  async #watchTwice(): Promise<void> {
    const topic = this.#topic();
    void this.#watch(this.chance.yes(0.3), topic);
    if (this.chance.yes(0.3)) await pause(this.chance.between(0, 200));
    void this.#watch(this.chance.yes(0.5), topic);
  }

  async #unwatch(held = this.#confirmed()): Promise<void> {
    if (held === undefined) return;
    this.#held = this.#held.filter((other) => other !== held);
    held.view.end();
    this.note(`=== ${held.view.name} ends`);
    if (this.chance.yes(0.2)) return held.abort.abort();
    await this.world.track(`unsubscribe of ${held.view.name}`, held.subscription!.unsubscribe());
  }

  #confirmed(): Held | undefined {
    return this.chance.pick(this.#held.filter(({ subscription }) => subscription !== undefined));
  }

  // Off and on again, in one turn or nearly so.
  async #swap(): Promise<void> {
    const held = this.#confirmed();
    if (held === undefined) return;
    void this.#unwatch(held);
    if (this.chance.yes(0.5)) await pause(this.chance.between(0, 30));
    void this.#watch(this.chance.yes(0.3), held.view.topic);
  }

  async #abort(): Promise<void> {
    const before = this.#held.length;
    const work = this.#watch(this.chance.yes(0.3));
    if (this.#held.length === before) return;
    const held = this.#held.at(-1)!;
    await pause(this.chance.between(0, 60));
    if (!this.#held.includes(held)) return;
    held.view.end();
    this.#held = this.#held.filter((other) => other !== held);
    held.abort.abort();
    await work;
  }

  #listen(): void {
    if (this.#isLeaving || this.#owns.length >= 4) return;
    const topic = this.chance.pick(this.who.kind === 'user' ? ['note.sent', 'news.*', 'news.told'] : ['news.*', 'news.told']);
    const name = `${this.name}'s on(${topic}) ${++this.#calls}`;
    const view = new Own(this.name, topic, name, this.who.name, (id) => this.world.facts.get(id));
    this.#views.push(view);
    const off = this.#bus!.on(topic, (event) => this.#hear(view, event));
    this.#owns.push({ view, off });
    if (this.isLive) view.begin();
  }

  #unlisten(): void {
    const own: { readonly view: Own; readonly off: () => void } | undefined = this.chance.pick(this.#owns);
    if (own === undefined) return;
    this.#owns = this.#owns.filter((other) => other !== own);
    own.view.end();
    own.off();
  }

  #hear(view: View, event: BusEvent): void {
    view.hear(event);
    this.world.happenings.happened();
  }

  // --- Groups -------------------------------------------------------------------------------------------------

  async #join(group: Group): Promise<void> {
    const bus = this.#bus!;
    const mine = this.#memberships.filter((membership) => membership.group === group);
    if (this.#isLeaving || mine.length >= 2) return;
    const hands = this.#hands.get(group) ?? new Hands(this.name, group, this.chance.pick([1, 8, 16, 64]), this.world);
    this.#hands.set(group, hands);
    const { maxInFlight } = hands;
    const membership: Membership = { group, hands, abort: new AbortController(), subscription: undefined };
    this.#memberships.push(membership);
    const name = `${this.name}'s membership ${++this.#calls} of ${group.name} for ${group.topic}`;
    this.note(`=== asks for ${name}, maxInFlight ${maxInFlight}`);
    const running = new Set<string>();
    const work = bus.subscribe(group.topic, (event, delivery) => this.#handle(event, delivery?.attempt ?? 0, membership, running), { ...(group.name !== this.who.name || this.chance.yes(0.5) ? { group: group.name } : {}), maxInFlight, signal: membership.abort.signal });
    try {
      membership.subscription = await this.world.track(name, work);
      group.began(membership.subscription.offset);
    } catch (thrown) {
      this.#memberships = this.#memberships.filter((other) => other !== membership);
      this.#isExpected(thrown as EventBusError, bus, name, 'timeout', 'aborted');
    }
  }

  async #part(): Promise<void> {
    const membership: Membership | undefined = this.chance.pick(this.#memberships.filter(({ subscription }) => subscription !== undefined));
    if (membership === undefined) return;
    this.#memberships = this.#memberships.filter((other) => other !== membership);
    this.note(`=== parts from ${membership.group.name} for ${membership.group.topic}`);
    await this.world.track(`unsubscribe of ${this.name} from ${membership.group.topic}`, membership.subscription!.unsubscribe());
  }

  async #handle(event: BusEvent, attempt: number, { group, hands }: Membership, running: Set<string>): Promise<void> {
    if (running.has(event.id)) this.world.fault('twice at once', this.name, `${event.id} (attempt ${attempt}) began in ${this.name} while the same handler of ${group.topic} still runs it`, event.id, group.topic);
    running.add(event.id);
    hands.take(event.id);
    this.note(`=== begins ${event.id}, attempt ${attempt}`);
    try {
      if (this.world.isWild) await pause(this.chance.yes(0.06) ? this.chance.between(500, 5_000) : this.chance.yes(0.7) ? this.chance.between(1, 100) : 0);
      if (this.world.isWild && this.chance.yes(0.1)) await this.publish([{ type: 'thing.noted', data: { thing: String(this.chance.below(kThings.length)) } }]);
      if (this.world.isWild && attempt < 3 && this.chance.yes(0.1)) throw new Error(kFailure);
      group.done.add(event.id);
    } finally {
      this.note(`=== ends ${event.id}`);
      running.delete(event.id);
      hands.put(event.id);
      this.world.happenings.happened();
    }
  }

  #isExpected({ code, message }: EventBusError, bus: EventBus, what: string, ...codes: string[]): void {
    if (codes.includes(code) || (code === 'closed' && this.#left.has(bus))) return;
    this.world.fault('refused', this.name, `${what} was refused: ${code}, ${message}`, '===');
  }
}

const kFailure = 'the handler fails on purpose';

/** A service that publishes: one by one, in bursts, in batches, and now and then what is too large or is taken back. */
export class Author extends Client {
  readonly #users: readonly string[];
  #n = 0;

  constructor(name: string, who: Principal, world: World, chance: Chance, users: readonly string[]) {
    super(name, who, world, chance, ['websocket']);
    this.#users = users;
  }

  protected override get moreActs(): readonly Act[] {
    return [
      ['one', 40, () => void this.publish([this.#event()], { timeoutMs: this.chance.pick([undefined, undefined, undefined, 2_000]) })],
      ['burst', 40, () => this.#burst()],
      ['batch', 20, () => void this.publish(this.#some())],
      ['takeBack', 4, () => void this.#takeBack()],
      ['heavy', 3, () => void this.publish([this.#event(this.chance.between(50_000, 400_000))])],
    ];
  }

  #some(): { type: string; data: object }[] {
    return Array.from({ length: this.chance.between(2, 12) }, () => this.#event());
  }

  #burst(): void {
    for (let left = this.chance.between(2, 25); left > 0; --left) void (this.chance.yes(0.8) ? this.publish([this.#event()]) : this.publish(this.#some()));
  }

  async #takeBack(): Promise<void> {
    const abort = new AbortController();
    const work = this.publish([this.#event()], { signal: abort.signal });
    await pause(this.chance.between(0, 50));
    abort.abort();
    await work;
  }

  #event(padBytes = 0): { type: string; data: object } {
    const type = this.chance.pick(['thing.counted', 'thing.counted', 'thing.noted', 'note.sent', 'news.told', 'job.todo', 'job.urgent']);
    const n = ++this.#n;
    const pad = padBytes === 0 ? {} : { pad: 'x'.repeat(padBytes) };
    if (type.startsWith('thing.')) return { type, data: { thing: String(this.chance.below(kThings.length)), n, ...pad } };
    if (type === 'note.sent') return { type, data: { user: this.chance.pick(this.#users), n, ...pad } };
    return { type, data: { n, ...pad } };
  }
}
