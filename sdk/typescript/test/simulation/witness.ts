import type { EventBus, EventBusError, Published } from '../../src/index.js';
import { identityOf } from '../../src/event.js';
import { coversEvent } from '../../src/topic.js';
import type { Bus } from './bus.js';
import type { Entry } from './log.js';
import type { Person } from './tokens.js';
import type { Realm } from './world.js';
import { World } from './world.js';

const kSlackMs = 1_500; // that a promise may be late
const kWrittenMs = 500; // after which a place is kept, also if the page is killed

/** A client under test, and what is known of it from outside. */
export interface Client {
  readonly label: string;
  readonly realm: Realm;
  readonly person: Person;
  readonly bus: EventBus;
  readonly gaps: { readonly from: number; readonly to: number }[]; // by sequences
  readonly watches: Watch[];
  readonly groups: Member[];
  /** Its handlers, and what an earlier page of this tab has left to them. */
  readonly heritage: Heritages;
  readonly tookOver: boolean; // the tab, from another user
  /** It knows whose its places are: the page before has left the name, or the bus has told it; and it is not signed out. */
  isNamed: boolean;
  keepsItsPlace: boolean; // over a reload
  liveSince: number | undefined; // the sequence at which it was live first
  seenMax: number; // the highest sequence that any of its handlers was called with
  closesAt: number | undefined; // when close() was called
  closedAt: number | undefined; // when it was done
  isSignedOut: boolean; // its token function says so
  wasSignedOut: boolean;
  readonly published: Publication[];
}

/** A handler of a topic. */
export interface Watch {
  readonly label: string;
  readonly topic: string;
  readonly since: string | undefined;
  readonly isLocal: boolean; // by on()
  readonly askedAt: number; // by sequence
  readonly seenAtAsk: number;
  /** What its like in an earlier page has left: to the nth that asks for a topic that of the nth. */
  readonly inherited: Heritage | undefined;
  readonly seen: number[]; // sequences
  readonly seenAt: number[]; // when
  from: number | undefined; // by sequence: its offset
  until: number | undefined; // by sequence: it was taken off
  ended: EventBusError | undefined;
  heritage: Heritage | undefined; // what it inherited, if it goes on from there
}

/** By topic, in the order of its handlers. */
export type Heritages = Map<string, Slot[]>;

/** The nth handler of a topic, and what the nth in the page before has left to it. */
export interface Slot {
  watch: Watch | undefined;
  left: Heritage | undefined;
}

/** What one handler in earlier pages of a tab was owed, and was given. */
export interface Heritage {
  readonly from: number;
  readonly seen: ReadonlySet<number>;
  readonly written: ReadonlySet<number>; // of these the next page knows
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
}

export interface Member {
  readonly label: string;
  readonly topic: string;
  group: string | undefined;
  readonly maxInFlight: number;
  isOn: boolean;
  confirmedAt: number | undefined;
  readonly running: Set<string>;
  readonly seen: Set<number>;
}

export interface Publication {
  readonly ids: readonly string[];
  readonly at: number;
  readonly isWork: boolean; // of a group's handler that runs
  outcome: 'stored' | EventBusError | undefined;
}

/** Judges what clients are told by what the bus has done. */
export class Witness {
  readonly clients: Client[] = [];
  readonly #pending = new Map<object, { what: string; by: number; realm: Realm }>();
  readonly counts: Record<string, number> = {};
  #probedAfter = Infinity;
  #expiries: ReadonlyMap<string, number> = new Map();

  constructor(private readonly bus: Bus) {
    bus.admits = ({ name, client }, auth) => {
      const own = this.clients.filter(({ person }) => person.name === name).flatMap(({ watches }) => watches.map(({ topic }) => topic));
      const isFirst = this.clients.some(({ person, tookOver, liveSince }) => person.client === client && tookOver && liveSince === undefined);
      if (isFirst && auth.since !== undefined && auth.principal === undefined) World.current.fault(`${client} signs in as ${name} from the place of whoever had the tab before`);
      for (const topic of (auth.topics ?? []) as string[]) if (!own.includes(topic)) World.current.fault(`${client} signs in as ${name} with ${topic}, which is another user's`);
    };
    bus.named = (name) => {
      for (const client of this.clients) if (client.person.client === name) client.isNamed = true;
    };
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  // ---- promises -----------------------------------------------------------------------------------

  /** `promise` has to settle within `ms`. */
  expects(client: Client, what: string, ms: number, promise: Promise<unknown>, isFine?: (error: EventBusError) => string | undefined): void {
    const by = World.current.now + ms + kSlackMs;
    this.#pending.set(promise, { what: `${client.label}: ${what}`, by, realm: client.realm });
    const settled = () => {
      this.#pending.delete(promise);
      if (World.current.now > by) World.current.fault(`${client.label}: ${what} took ${World.current.now - by + ms + kSlackMs} ms`);
    };
    promise.then(settled, (thrown: EventBusError) => {
      settled();
      World.current.say(`${client.label}: ${what} rejects: ${thrown.code} ${thrown.message}`);
      const why = isFine === undefined ? 'it never rejects' : isFine(thrown);
      if (why !== undefined) World.current.fault(`${client.label}: ${what} rejects with ${thrown.code} (${thrown.message}): ${why}`);
    });
  }

  /** Why a call must not be refused with this; undefined: it may. */
  mayReject(client: Client, error: EventBusError, calledAt: number, timeoutMs: number): string | undefined {
    const { now } = World.current;
    const told = (what: string, code: string) => this.bus.told.some((one) => one.client === client.person.client && one.what === what && one.code === code);
    switch (error.code) {
      case 'timeout':
        return now - calledAt >= timeoutMs - 1 ? undefined : `only ${now - calledAt} of ${timeoutMs} ms have passed`;
      case 'closed':
        return client.closesAt !== undefined ? undefined : 'nobody has closed it';
      case 'signed_out':
        return client.wasSignedOut ? undefined : 'nobody has signed out';
      case 'unauthorized':
      case 'token_expired':
        return told('connect refused', error.code) ? undefined : 'the bus has not said so';
      default:
        return `a call is not refused with ${error.code}`;
    }
  }

  // ---- what handlers get --------------------------------------------------------------------------

  called(client: Client, watch: Watch, offset: string): void {
    const sequence = this.bus.log.sequences.get(offset);
    const entry = sequence === undefined ? undefined : this.bus.log.everything[sequence - 1];
    this.count('events handled');
    if (entry === undefined) return World.current.fault(`${watch.label} was given ${offset}, which was never stored`);
    if (watch.until !== undefined) World.current.fault(`${watch.label} was given ${offset} behind its end`);
    if (!covers(watch.topic, entry)) World.current.fault(`${watch.label} was given ${offset}, which is not an event of ${watch.topic}`);
    const last = watch.seen[watch.seen.length - 1] ?? 0;
    if (entry.sequence === last || watch.seen.includes(entry.sequence)) World.current.fault(`${watch.label} was given ${offset} twice`);
    else if (entry.sequence < last) World.current.fault(`${watch.label} was given ${offset} behind ${this.bus.log.everything[last - 1]!.offset}`);
    if (watch.since === undefined && watch.inherited?.written.has(entry.sequence)) World.current.fault(`${watch.label} was given ${offset}, which the page before had been given`);
    watch.seen.push(entry.sequence);
    watch.seenAt.push(World.current.now);
    client.seenMax = Math.max(client.seenMax, entry.sequence);
  }

  confirmed(client: Client, watch: Watch, offset: string): void {
    watch.from = this.bus.log.sequences.get(offset);
    if (watch.from === undefined) return World.current.fault(`${watch.label} was confirmed from ${offset}, which is no offset`);
    const { inherited } = watch;
    const { status } = client.bus.state;
    if (status !== 'live' && status !== 'catching-up') World.current.fault(`${watch.label} was confirmed from ${offset} while the client is ${status}`);
    if (watch.since === undefined && inherited === undefined && watch.from < watch.seenAtAsk) {
      World.current.fault(`${watch.label} was confirmed from ${offset}, which is of before the call: it is another subscription's`);
    }
    // Of a right that was given anew nothing from before is shown.
    const right = client.person.kind === 'user' && watch.topic.includes(':') ? (this.bus.log.rightSince(client.person.name, watch.topic) ?? Infinity) : 0;
    const rightSince = right === Infinity || right === 0 ? right : this.bus.log.entries[right - 1]!.sequence;
    if (watch.since === undefined && inherited !== undefined && rightSince <= inherited.from) watch.heritage = inherited;
  }

  // ---- at the end ---------------------------------------------------------------------------------

  /** All is calm from now on: tokens are renewed in time. */
  calm(): void {
    this.#expiries = new Map(this.bus.expiries);
  }

  /** What is stored from now on has to reach everybody. */
  probing(): void {
    this.#probedAfter = this.bus.log.endSequence;
  }

  /** Once everything is calm. */
  judge(): void {
    const { now } = World.current;
    for (const { label, realm, person } of this.clients) {
      const times = (this.bus.expiries.get(person.client) ?? 0) - (this.#expiries.get(person.client) ?? 0);
      if (realm.isAlive && times > 0) World.current.fault(`${label} was closed ${times} times for the end of its token, which it could have renewed`);
    }
    for (const { what, by, realm } of this.#pending.values()) {
      if (realm.isAlive && by <= now) World.current.fault(`${what} has not settled`);
    }
    for (const client of this.clients) if (client.realm.isAlive) this.#judgeClient(client);
    for (const owed of this.bus.groups.owed()) World.current.fault(owed);
    if (this.bus.tooLargeCloses > 0) World.current.fault(`the bus has closed ${this.bus.tooLargeCloses} connections for a message that is too large`);
  }

  /** Once every client was closed. */
  judgeClosed(): void {
    for (const { what, realm } of this.#pending.values()) if (realm.isAlive) World.current.fault(`${what} has not settled after close()`);
    for (const { realm, bus, label } of this.clients) {
      if (!realm.isAlive) continue;
      if (bus.state.status !== 'closed') World.current.fault(`${label} is ${bus.state.status} after close()`);
      const timers = World.current.timersOf(realm);
      if (timers > 0) World.current.fault(`${label} leaves ${timers} timers after close()`);
      for (const [event, { size }] of realm.listeners) if (size > 0 && event !== 'offline') World.current.fault(`${label} leaves ${size} listeners of ${event} after close()`);
    }
    for (const client of this.clients) this.#judgePublications(client);
  }

  isLive(): boolean {
    return this.clients.every((client) => !client.realm.isAlive || this.#isLive(client));
  }

  // Or it has no reason to be.
  #isLive({ watches, groups, published, closesAt, isSignedOut, bus }: Client): boolean {
    const isUsed = watches.length + groups.length + published.length > 0;
    return closesAt !== undefined || !isUsed || isSignedOut || bus.state.status === 'live';
  }

  #judgeClient(client: Client): void {
    const { label, bus } = client;
    if (!this.#isLive(client)) World.current.fault(`${label} is ${bus.state.status} when all is calm (${bus.state.error?.message ?? 'no error'})`);
    for (const watch of client.watches) this.judgeWatch(client, watch, Infinity);
    // Of an event that a group has given to this process each of its handlers has got it.
    const on = client.groups.filter(({ isOn, confirmedAt }) => isOn && confirmedAt !== undefined);
    for (const member of on) {
      if (client.closesAt === undefined && !this.bus.groups.hasMember(member.group, member.topic, client.person.client)) World.current.fault(`${member.label} is not a member of its group any more, and does not know`);
      for (const other of on) {
        if (other.topic !== member.topic || other.group !== member.group) continue;
        const left = [...other.seen].find((sequence) => sequence > this.#probedAfter && !member.seen.has(sequence));
        if (left !== undefined) World.current.fault(`${member.label} was not given ${this.bus.log.everything[left - 1]!.offset}, and ${other.label} was`);
      }
    }
  }

  /** Whether `watch` was given all that it is owed, up to the event `until` at most. */
  judgeWatch(client: Client, watch: Watch, until: number): void {
    const { kind, name } = client.person;
    const mayWatch = kind === 'service' || !watch.topic.includes(':') || this.bus.log.rightSince(name, watch.topic) !== undefined;
    if (watch.from !== undefined && watch.until === undefined && !mayWatch) World.current.fault(`${watch.label} is not told that the right to it has ended`);
    const missing = this.#missing(client, watch, until);
    if (missing.length === 0) return;
    const offsets = missing.slice(0, 5).map(({ offset }) => offset).join(' ');
    World.current.fault(`${watch.label} was not given ${missing.length} events: ${offsets}${missing.length > 5 ? ' …' : ''} (it began behind sequence ${watch.heritage?.from ?? watch.from})`);
  }

  #missing(client: Client, watch: Watch, until: number): Entry[] {
    const { log } = this.bus;
    const from = watch.isLocal ? client.liveSince === undefined ? undefined : Math.max(client.liveSince, watch.askedAt) : Math.min(watch.from ?? Infinity, watch.heritage?.from ?? Infinity);
    if (from === undefined || from === Infinity) return [];
    const { kind, name } = client.person;
    const isOfUser = kind === 'user' && watch.topic.includes(':');
    // Of one that was taken off, or has ended, what was still on its way does not count.
    const last = watch.seen[watch.seen.length - 1] ?? 0;
    const to = Math.min(until, watch.until === undefined ? log.endSequence : last);
    const seen = new Set(watch.seen);
    // A publish that was not answered is stored once more in a log that has replaced the other: a handler that has had it is not owed a repeat.
    const had = new Set(watch.seen.map((sequence) => identityOf(log.everything[sequence - 1]!)));
    const excuses = [...client.gaps, ...(watch.heritage?.gaps ?? [])];
    const missing: Entry[] = [];
    for (let sequence = from + 1; sequence <= to; ++sequence) {
      const entry = log.everything[sequence - 1]!;
      if (!covers(watch.topic, entry) || seen.has(sequence) || had.has(identityOf(entry)) || watch.heritage?.seen.has(sequence)) continue;
      if (watch.isLocal && (entry.type !== 'mail.sent' || entry.data.to !== name)) continue;
      if (isOfUser && !entry.visibleTo!.has(name)) continue;
      if (excuses.some((gap) => sequence > gap.from && sequence <= gap.to)) continue;
      missing.push(entry);
    }
    return missing;
  }

  /**
   * What the page that follows `client` in its tab begins with. A place without its owner's name is not kept, as it would be
   * anybody's: a page that was gone before it had been told leaves nothing, as does one that was told of its sign-out.
   * `isClean`: it knew that it would end.
   */
  heritageOf(client: Client, isClean: boolean): Heritages | undefined {
    if (!client.keepsItsPlace || !client.isNamed) return undefined;
    // What this page has not claimed is left with the gaps that it was told of.
    const passedOn = (left: Heritage | undefined) => left && { ...left, gaps: [...client.gaps, ...left.gaps] };
    const leftIn = ({ watch, left }: Slot): Slot => ({ watch: undefined, left: watch === undefined ? passedOn(left) : this.#leftBy(client, watch, isClean) });
    return new Map([...client.heritage].map(([topic, slots]) => [topic, slots.map(leftIn)]));
  }

  // One that goes on from before may be given events before it is confirmed; one that is not confirmed leaves what it found.
  #leftBy(client: Client, watch: Watch, isClean: boolean): Heritage | undefined {
    const before = watch.from === undefined ? watch.inherited : watch.heritage;
    const from = Math.min(watch.from ?? Infinity, before?.from ?? Infinity);
    if (watch.from === undefined && before === undefined) return undefined;
    const written = watch.seen.filter((_, at) => isClean || watch.seenAt[at]! + kWrittenMs < World.current.now);
    return {
      from,
      seen: new Set([...watch.seen, ...(before?.seen ?? [])]),
      written: new Set([...written, ...(before?.written ?? [])]),
      gaps: [...client.gaps, ...(before?.gaps ?? [])],
    };
  }

  #judgePublications(client: Client): void {
    const { everything } = this.bus.log;
    const source = `${client.person.kind}:${client.person.name}`;
    const stored = new Map<string, Entry[]>();
    for (const entry of everything) if (entry.source === source) stored.set(entry.id, [...(stored.get(entry.id) ?? []), entry]);
    let last: Entry | undefined;
    for (const { ids, outcome } of client.published) {
      for (const id of ids) {
        const logs = (stored.get(id) ?? []).map(({ log }) => log);
        if (new Set(logs).size < logs.length) World.current.fault(`${client.label}: ${id} is stored ${logs.length} times`);
        if (outcome === 'stored' && logs.length === 0) World.current.fault(`${client.label}: ${id} was told to be stored and is not`);
      }
      const first = stored.get(ids[0]!)?.[0];
      if (first === undefined) continue;
      if (first.sequence < (last?.sequence ?? 0)) World.current.fault(`${client.label}: ${ids[0]} is stored before ${last!.id}, which was published earlier`);
      else last = first;
    }
  }

  // ---- groups -------------------------------------------------------------------------------------

  working(member: Member, key: string, offset: string): void {
    this.count('group events handled');
    if (member.running.has(key)) World.current.fault(`${member.label} handles ${offset} twice at once`);
    member.running.add(key);
    if (member.running.size > member.maxInFlight) World.current.fault(`${member.label} handles ${member.running.size} events at once, and ${member.maxInFlight} may be`);
    if (!member.isOn) World.current.fault(`${member.label} was given ${offset} behind its end`);
    member.seen.add(this.bus.log.sequences.get(offset)!);
  }

  stored(publication: Publication, published: readonly Published[]): void {
    this.count('events published', published.length);
    publication.outcome = 'stored';
    if (published.some(({ id }, at) => id !== publication.ids[at])) World.current.fault(`a publish of ${publication.ids.join(' ')} was answered for others: ${JSON.stringify(published)}`);
  }
}

function covers(topic: string, { type, subject }: Entry): boolean {
  return coversEvent(topic, { type, ...(subject !== undefined && { subject }) });
}
