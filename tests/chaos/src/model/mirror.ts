// What one receiver is owed and may see, by what it was told: docs/wire.md, and nothing of how the server does it.
//
// The rule that finds most: a place (the string that ends an event) says that everything up to it that concerns this client has been
// sent. So whenever a place comes, each event up to it that the client is surely owed must have come before.
import { covers, isSubject, kTypes } from '../catalog.ts';
import type { BusServer } from '../server.ts';
import type { Principal } from '../tokens.ts';
import type { Fact, Ledger, Order, Right } from './ledger.ts';
import type { Ask, Step, Violation } from './trace.ts';

/**
 * `socket`: plain Socket.IO. `stream`: server-sent events, which have their topics alone, all in order. `package`: the SDK, whose
 * handlers get each event once, over any drop, and see no places.
 */
export type Flavour = 'socket' | 'stream' | 'package';

interface Topic {
  state: 'in' | 'out' | 'maybe';
  /** In since here, surely; undefined: in since `fromTime`. */
  from: Order | undefined;
  fromTime: number;
  /** The past was asked for from here on. */
  since: Order | undefined;
  pending: Ask[];
  last: Ask | undefined;
  hadOnlySubscribes: boolean;
  /** It was surely not in it before. */
  isAnew: boolean;
}

interface Got {
  ordered: number;
  history: number;
}

const kToldMs = 2_500;

export class Mirror {
  readonly #name: string;
  readonly #who: Principal;
  readonly #flavour: Flavour;
  readonly #ledger: Ledger;
  readonly #server: BusServer;
  violations: Violation[] = [];
  #isConnected = false;
  #connectedAt = 0;
  #attemptAt = 0;
  /** What is for the user by itself is owed from here on; undefined: not connected yet, or a stream of topics. */
  #base: { order: Order | undefined; time: number } | undefined;
  #place: Order | undefined;
  #topics = new Map<string, Topic>();
  #got = new Map<string, Got>();
  #gone: { from: number; until: number }[] = [];

  constructor(name: string, who: Principal, flavour: Flavour, ledger: Ledger, server: BusServer) {
    this.#name = name;
    this.#who = who;
    this.#flavour = flavour;
    this.#ledger = ledger;
    this.#server = server;
  }

  clone(): Mirror {
    const copy = new Mirror(this.#name, this.#who, this.#flavour, this.#ledger, this.#server);
    copy.#isConnected = this.#isConnected;
    copy.#connectedAt = this.#connectedAt;
    copy.#attemptAt = this.#attemptAt;
    copy.#base = this.#base === undefined ? undefined : { ...this.#base };
    copy.#place = this.#place;
    copy.#topics = new Map([...this.#topics].map(([name, topic]) => [name, { ...topic, pending: [...topic.pending] }]));
    copy.#got = new Map([...this.#got].map(([id, got]) => [id, { ...got }]));
    copy.#gone = this.#gone.map((span) => ({ ...span }));
    copy.#isRecovered = this.#isRecovered;
    copy.#sessionSince = this.#sessionSince;
    copy.#lastAt = this.#lastAt;
    copy.#roundBegan = this.#roundBegan;
    return copy;
  }

  follow(trace: readonly Step[]): void {
    for (const step of trace) this.#follow(step);
  }

  /** At the end of a round, when the client has seen the fence at `at`: all that is owed up to `end` has come, in whichever way. */
  finish(end: Order, at: number): void {
    // The package goes on by itself from what it had; what it could not know is not told to its handlers.
    if (this.#flavour === 'package' && this.#server.suffered(this.#roundBegan, at, 'restore')) return;
    for (const fact of this.#ledger.log) {
      if (fact.order! > end || this.#got.has(fact.id) || !this.#mayBeMissed(fact, at)) continue;
      if (kTypes[fact.type]!.latest === true && this.#isOvertaken(fact)) continue;
      const why = this.#owes(fact, at, false);
      if (why !== undefined) this.#lost(fact, at, why, 'by the end of the round', true);
    }
    for (const [name, topic] of this.#topics) if (topic.state === 'in') this.#checkKept(name, topic, at);
  }

  /** The next round begins behind `order`. */
  begin(order: Order): void {
    this.#got.clear();
    this.#gone = [];
    if (this.#base !== undefined) this.#base = { order: Math.max(order, this.#base.order ?? order), time: this.#base.time };
    for (const topic of this.#topics.values()) if (topic.state === 'maybe' && topic.pending.length === 0 && this.#flavour === 'package' && !this.#mayBeBack(topic)) topic.state = 'out';
    for (const topic of this.#topics.values()) if (topic.state === 'in') topic.from = Math.max(order, topic.from ?? order);
    if (this.#place !== undefined) this.#place = Math.max(this.#place, order);
  }

  #violate(kind: string, at: number, text: string, about: Partial<Violation> = {}): void {
    this.violations.push({ kind, who: this.#name, at, text, ...about });
  }

  #follow(step: Step): void {
    if (this.#flavour === 'package' && step.kind !== 'connected') {
      if (this.#server.suffered(this.#lastAt, step.at, 'restore')) for (const topic of this.#topics.values()) if (topic.state === 'out') topic.state = 'maybe';
      this.#lastAt = step.at;
    }
    switch (step.kind) {
      case 'connected': return this.#connected(step);
      case 'disconnected':
        this.#isConnected = false;
        this.#gone.push({ from: step.at, until: Infinity });
        for (const topic of this.#topics.values()) {
          if (topic.pending.length > 0 && this.#flavour === 'socket') {
            topic.state = topic.hadOnlySubscribes && topic.state === 'in' ? 'in' : 'maybe';
            topic.pending = [];
          }
        }
        return;
      case 'left':
        this.#isConnected = false;
        this.#base = undefined;
        this.#topics.clear();
        this.#place = undefined;
        return;
      case 'asked': return this.#asked(step.ask);
      case 'answered': return this.#answered(step.ask);
      case 'event': return this.#event(step);
      case 'told': return this.#told(step);
      case 'note': return;
    }
  }

  #connected(step: Extract<Step, { kind: 'connected' }>): void {
    this.#isConnected = true;
    this.#connectedAt = step.at;
    this.#attemptAt = step.attemptAt;
    if (this.#gone.length > 0) this.#gone.at(-1)!.until = step.at;
    for (const got of this.#got.values()) got.history = 0;
    if (this.#server.suffered(this.#lastAt, step.at, 'restore')) this.#restored();
    this.#lastAt = step.at;
    this.#isRecovered = step.recovered;
    if (step.recovered) {
      // What came by the old connection after the new one had said where it stood comes again.
      if (step.seen !== undefined && this.#place !== undefined) this.#place = Math.min(this.#place, step.seen);
      return;
    }
    if (step.hadSession && !this.#server.suffered(this.#sessionSince, step.at, 'restore', 'full')) {
      this.#violate('session lost', step.at, 'it came back with its pid, and its session was not known');
    }
    this.#sessionSince = step.at;
    this.#place = step.since;
    this.#topics.clear();
    const isOfTopics = step.topics !== undefined && step.topics.length > 0;
    this.#base = isOfTopics ? undefined : { order: step.since, time: step.at };
    for (const name of step.topics ?? []) this.#topics.set(name, { state: 'in', from: step.since, fromTime: step.at, since: undefined, pending: [], last: undefined, hadOnlySubscribes: true, isAnew: true });
  }

  #isRecovered = false;
  #sessionSince = 0;
  #lastAt = 0;

  // The session is the copy's, so what was asked for since the copy was made may be unknown there.
  #restored(): void {
    for (const topic of this.#topics.values()) {
      if (topic.state === 'out') topic.state = 'maybe';
      else if (topic.state === 'in' && (topic.from === undefined || (topic.last?.answeredAt ?? 0) > this.#ledger.backupMadeAt)) topic.state = 'maybe';
    }
  }

  // The package does not leave again what it has left, and a restored session may be in it.
  #mayBeBack({ last }: Topic): boolean {
    return this.#server.suffered(last?.answeredAt ?? 0, Infinity, 'restore');
  }

  // The place that it named is of another branch, or its session is not known. What it is given begins where its session stood when
  // the copy was made, which has some events once more, or without a session now.
  #unknown(at: number): void {
    if (this.#base !== undefined) this.#base = { order: undefined, time: at };
    if (this.#place !== undefined) this.#place = Math.min(this.#place, this.#ledger.keptFrom);
    if (this.#isRecovered) return;
    for (const topic of this.#topics.values()) {
      topic.from = undefined;
      topic.fromTime = at;
    }
  }

  // What the client could see before the copy came back is not in the ledger any more.
  #isForgotten(at: number): boolean {
    return this.#server.suffered(Math.max(at, this.#roundBegan), Infinity, 'restore') && this.#server.restoredAt > at;
  }

  #asked(ask: Ask): void {
    let topic = this.#topics.get(ask.topic);
    if (topic === undefined) this.#topics.set(ask.topic, (topic = { state: 'out', from: undefined, fromTime: Infinity, since: undefined, pending: [], last: undefined, hadOnlySubscribes: true, isAnew: true }));
    if (topic.pending.length === 0) topic.hadOnlySubscribes = true;
    if (topic.state !== 'in') topic.isAnew = topic.state === 'out' && topic.pending.length === 0;
    topic.pending.push(ask);
    topic.last = ask;
    if (ask.since !== undefined) topic.since = Math.min(topic.since ?? Infinity, ask.since);
    if (ask.command === 'unsubscribe') topic.hadOnlySubscribes = false;
    if (topic.state !== 'in' || !topic.hadOnlySubscribes) topic.state = 'maybe';
  }

  #answered(ask: Ask): void {
    const topic = this.#topics.get(ask.topic);
    if (topic === undefined || !topic.pending.includes(ask)) return;
    topic.pending = topic.pending.filter((other) => other !== ask);
    if (ask.command === 'subscribe' && !this.#isForgotten(ask.answeredAt)) this.#checkAnswer(ask);
    if (topic.pending.length > 0) return;
    const last = topic.last!;
    if (last.command === 'unsubscribe') {
      // The package answers at once, and tells the server when it can.
      // One that could not be written in the session has changed nothing.
      topic.state = this.#flavour === 'package' || last.ok === false ? 'maybe' : 'out';
      topic.since = undefined;
    } else if (last.ok === true) {
      if (topic.state === 'in') return;
      topic.state = 'in';
      topic.from = last.order;
      topic.fromTime = last.since === undefined && this.#flavour === 'socket' ? -Infinity : last.answeredAt;
    } else {
      topic.state = topic.state === 'in' || topic.pending.length > 0 ? 'maybe' : 'out';
    }
  }

  #checkAnswer(ask: Ask): void {
    const rights = this.#ledger.rights(this.#who, ask.topic);
    const began = (right: Right): number => this.#ledger.answeredAt(right.from);
    if (ask.ok === false && ask.code === 'forbidden' && this.#ledger.wasHeldThroughout(rights, ask.sentAt, ask.answeredAt, began)) {
      this.#violate('refused with the right', ask.answeredAt, `${ask.topic} was refused, and it had the right all the time`, { topic: ask.topic });
    }
    const may = rights.some((right) => this.#ledger.startedAt(right.from) < ask.answeredAt && right.endAnsweredAt > ask.sentAt && !(right.isOfCatalog && this.#ledger.wasNarrow(ask.sentAt, ask.answeredAt)));
    if (ask.ok === true && !may) this.#violate('let in without the right', ask.answeredAt, `${ask.topic} was answered ok, and it had no right`, { topic: ask.topic });
  }

  #told(step: Extract<Step, { kind: 'told' }>): void {
    if (step.name === 'watch.ended') {
      const name = String(step.body.topic);
      const topic = this.#topics.get(name);
      if (topic === undefined) return;
      if (topic.state === 'in' && topic.pending.length === 0 && !this.#isForgotten(step.at)) this.#checkEnded(name, topic, step.at);
      topic.state = topic.pending.length > 0 ? 'maybe' : 'out';
      // Should it come back, and be in it anew by then, it may not have heard of the end for all that the server knows.
      topic.since = Math.min(topic.since ?? Infinity, this.#place ?? topic.from ?? -1);
    } else if (step.name === 'resume.gap') {
      if (!this.#server.suffered(0, step.at, 'restore', 'clock', 'full') && !this.#mayBeHidden(step)) this.#violate('false gap', step.at, `it was told of a gap from ${String(step.body.from)} to ${String(step.body.to)}, and nothing that it could have been sent had been removed`);
    } else if (step.name === 'resume.unknown') {
      if (this.#server.suffered(0, step.at, 'restore', 'full')) this.#unknown(step.at);
    }
  }

  // Of a topic nothing is shown from before its right of now. That is told where the right before has ended, and the client may not
  // know of that, or asked for a history that begins there.
  #mayBeHidden({ body }: Extract<Step, { kind: 'told' }>): boolean {
    const [from, to] = [this.#ledger.orderOf(String(body.from)), this.#ledger.orderOf(String(body.to))];
    return [...this.#topics].some(([name, topic]) => {
      const rights = topic.state === 'out' ? [] : this.#ledger.rights(this.#who, name);
      return rights.some((right) => from < right.from && right.from <= to) && rights.some((right) => right.from <= to && right.until < Infinity);
    });
  }

  // --- An event that came -----------------------------------------------------------------------------

  #event(step: Extract<Step, { kind: 'event' }>): void {
    const fact = this.#ledger.facts.get(step.id);
    const about = { id: step.id };
    if (fact === undefined) return this.#violate('unknown event', step.at, `${step.id} came, and nobody has published it in this round`, about);
    const isInOrder = step.place !== undefined;
    this.#checkOrder(step, fact);
    if (isInOrder) this.#checkPlace(step);
    if (!this.#isForgotten(step.at)) this.#checkRight(step, fact);
    const got = this.#got.get(step.id) ?? { ordered: 0, history: 0 };
    if (isInOrder || this.#flavour === 'package') ++got.ordered;
    else ++got.history;
    this.#got.set(step.id, got);
    if (isInOrder) this.#place = Math.max(this.#place ?? -1, step.place!);
  }

  #checkOrder(step: Extract<Step, { kind: 'event' }>, fact: Fact): void {
    const about = { id: step.id };
    // Until it has ended, the server of before takes sign-ins.
    if (fact.isErased && this.#attemptAt > this.#server.restoredAt && this.#server.restoredAt > fact.answeredAt) this.#violate('erased event', step.at, `${step.id} came, which the restored copy does not hold`, about);
    if (fact.isDoubtful) return;
    // One that was answered after the older copy had come back may have been in the log before that, too.
    const isOfBefore = this.#ledger.branchOf(step.order) < this.#ledger.branchOf(fact.order!);
    if (!fact.isErased && fact.order !== step.order && !isOfBefore) this.#violate('two offsets', step.at, `${step.id} came with the offset ${step.offset}, and its publisher was told ${fact.offset}`, about);
    const got = this.#got.get(step.id);
    if (this.#flavour === 'package') {
      if (got !== undefined) this.#violate('repeated', step.at, `the handler was called twice with ${step.id}`, about);
    } else if (step.place === undefined) {
      const topic = this.#topics.get(`photo:${fact.data.photo}`);
      // Without `since` what came between the answer's offset and the joining may come so, too.
      const from = topic?.since ?? (topic?.pending.length === 0 ? topic.from : -1);
      if (from === undefined || from >= fact.order!) this.#violate('not asked for', step.at, `${step.id} came as an event of the past, and it was not asked for`, about);
      if ((got?.history ?? 0) > 1) this.#violate('repeated', step.at, `${step.id} came ${got!.history + 1} times as an event of the past`, about);
    } else if (this.#place !== undefined && step.place <= this.#place) {
      const text = `${step.id} came with the place ${step.offset}, and the client had been behind that already`;
      this.#violate((got?.ordered ?? 0) > 0 ? 'repeated' : 'out of order', step.at, text, about);
    }
  }

  // Everything up to this place that it is surely owed has come before.
  #checkPlace(step: Extract<Step, { kind: 'event' }>): void {
    for (const fact of this.#ledger.log) {
      if (this.#place !== undefined && fact.order! <= this.#place) continue;
      if (fact.order! >= step.place!) break;
      if (this.#got.has(fact.id) || kTypes[fact.type]!.latest === true || !this.#mayBeMissed(fact, step.at)) continue;
      const why = this.#owes(fact, step.at, true);
      if (why !== undefined) this.#lost(fact, step.at, why, `when ${step.id} came, which lies behind it`);
    }
  }

  #lost(fact: Fact, at: number, why: string, when: string, mayStillCome = false): void {
    this.#got.set(fact.id, { ordered: 0, history: 0 }); // told once
    const topic = why.startsWith('topic ') ? why.slice('topic '.length) : undefined;
    this.#violate('lost', at, `${fact.id} (${fact.type}), owed by ${why}, had not come ${when}`, { id: fact.id, topic, ...(mayStillCome && { mayStillCome }) });
  }

  // False for what may be lost: transient events, if the process ended after their publish.
  #mayBeMissed(fact: Fact, at: number): boolean {
    return kTypes[fact.type]!.transient !== true || !this.#server.suffered(fact.startedAt, at, 'kill', 'stop', 'restore');
  }

  #isOvertaken(fact: Fact): boolean {
    return this.#ledger.log.some((other) => other.type === fact.type && other.data.photo === fact.data.photo && other.order! > fact.order!)
      || [...this.#ledger.facts.values()].some((other) => other.isDoubtful && other.type === fact.type && other.data.photo === fact.data.photo);
  }

  // By what the client is surely owed this event at the moment, or undefined.
  #owes(fact: Fact, at: number, inOrder: boolean): string | undefined {
    const base = this.#base;
    if (base !== undefined && (base.order !== undefined ? fact.order! > base.order : fact.startedAt > base.time)) {
      const room = this.#ownRoom(fact, true);
      if (room !== undefined) return room;
    }
    for (const [name, topic] of this.#topics) {
      if (topic.state !== 'in' || !this.#brings(name, fact)) continue;
      const isBehind = topic.from === undefined ? fact.startedAt > topic.fromTime : fact.order! > topic.from && (!inOrder || fact.startedAt > topic.fromTime);
      if (isBehind && this.#ledger.isHeldFrom(this.#ledger.rights(this.#who, name), fact, at)) return `topic ${name}`;
    }
    return undefined;
  }

  /** The room of its own in which the client gets this event by itself. */
  #ownRoom(fact: Fact, surely: boolean): string | undefined {
    const { name, kind, roles } = this.#who;
    for (const receiver of kTypes[fact.type]!.audience) {
      if (receiver === 'everyone') return 'everyone';
      if (kind !== 'user') continue;
      if (receiver === 'user' && fact.data.user === name) return `user:${name}`;
      if (receiver === 'role' && roles.includes(String(fact.data.role))) return `role:${fact.data.role}`;
      if (receiver !== 'owner') continue;
      const photo = String(fact.data.photo);
      const after = this.#ledger.ownerAt(photo, fact.order!);
      const before = this.#ledger.ownerAt(photo, fact.order! - 1);
      if (surely ? after === name && (before === name || before === undefined) : after === name || before === name) return `its ownership of photo:${photo}`;
    }
    return undefined;
  }

  #brings(topic: string, fact: Fact): boolean {
    if (!isSubject(topic)) return covers(topic, fact.type);
    return topic === `photo:${fact.data.photo}` && kTypes[fact.type]!.audience.includes('watchers');
  }

  // --- Rights -----------------------------------------------------------------------------------------

  #checkRight(step: Extract<Step, { kind: 'event' }>, fact: Fact): void {
    if (fact.isDoubtful || fact.isErased || fact.order === undefined) return;
    const own = this.#isOfTopics ? undefined : this.#ownRoom(fact, false);
    const watched = [...this.#topics].filter(([name, topic]) => topic.state !== 'out' && this.#brings(name, fact));
    const lawful = watched.filter(([name]) => this.#mayShow(name, step, fact));
    const about = { id: fact.id, topic: watched[0]?.[0] ?? (fact.data.photo === undefined ? undefined : `photo:${fact.data.photo}`) };
    if (own === undefined && watched.length === 0) {
      this.#violate('not for it', step.at, `${fact.id} (${fact.type}) came, and it is in no room for that`, about);
    } else if (own === undefined && lawful.length === 0) {
      this.#violate('shown without the right', step.at, `${fact.id} (${fact.type}) came, and it had no right to see it`, about);
    } else {
      this.#checkForm(step, fact, own, watched);
    }
  }

  get #isOfTopics(): boolean {
    return this.#base === undefined && this.#topics.size > 0;
  }

  // What ended before this connection was made is not shown on it: rights are asked for again at every resume.
  #mayShow(topic: string, step: Extract<Step, { kind: 'event' }>, fact: Fact): boolean {
    // What was queued while the right held may come late to somebody who polls slowly.
    const isNarrow = this.#ledger.wasNarrow(Math.max(fact.startedAt, this.#attemptAt), step.at);
    const rights = this.#ledger.rights(this.#who, topic).filter((right) => right.endAnsweredAt > this.#attemptAt && !(right.isOfCatalog && isNarrow));
    return this.#ledger.mayHoldAt(rights, fact);
  }

  #checkForm(step: Extract<Step, { kind: 'event' }>, fact: Fact, own: string | undefined, watched: [string, Topic][]): void {
    const rule = kTypes[fact.type]!;
    if (rule.hidesSecret !== true) return;
    if (watched.some(([name]) => !isSubject(name))) return; // a pattern gives the whole
    const surelyOwner = this.#ownRoom(fact, true) !== undefined && !this.#isOfTopics;
    const isHistory = this.#flavour === 'socket' && step.place === undefined;
    const ownFirst = rule.audience[0] === 'owner';
    if (step.hasSecret && own === undefined) {
      this.#violate('shown the secret', step.at, `${fact.id} came in the owner's form, and it is not the owner's to see`, { id: fact.id });
    } else if (!step.hasSecret && surelyOwner && ownFirst && !isHistory && this.#flavour === 'socket') {
      this.#violate('wrong form', step.at, `${fact.id} came to the owner in the form for watchers`, { id: fact.id });
    }
  }

  // A right that began behind the client's place would keep from it what lies between, whatever rights it had there.
  // One that may have been in the topic before it was answered to be in it may come to an end from before that answer.
  #checkEnded(name: string, topic: Topic, at: number): void {
    const from = topic.isAnew ? topic.from ?? -1 : Math.min(topic.from ?? -1, this.#place ?? -1);
    const place = Math.max(this.#place ?? -1, from);
    const stays = this.#ledger.rights(this.#who, name).some((right) => right.endedAt > at && right.from <= place + 1);
    if (stays && this.#gapBehind(name, from, at) === undefined) this.#violate('ended with the right', at, `it was told that ${name} has ended, and it has had the right all the time`, { topic: name });
  }

  // Where the rights to a topic, taken together, have a gap since the client is in it. Undefined: there surely is none.
  #gapBehind(name: string, from: Order, at: number): Order | undefined {
    const rights = this.#ledger.rights(this.#who, name).filter((right) => !(right.isOfCatalog && this.#ledger.mayHaveBeenNarrow(0, at)));
    let covered = from;
    for (;;) {
      const further = rights.find((right) => right.from <= covered && right.until > covered);
      if (further === undefined) return covered;
      if (further.endedAt > at) return undefined;
      covered = further.until;
    }
  }

  // A client that has no right any more has been told so.
  #checkKept(name: string, topic: Topic, at: number): void {
    const rights = this.#ledger.rights(this.#who, name);
    const isNarrow = this.#ledger.mayHaveBeenNarrow(at, at);
    const mayHold = rights.some((right) => right.until === Infinity && !(right.isOfCatalog && isNarrow));
    if (!mayHold) return this.#violate('kept without the right', at, `it has no right to ${name} any more, and was not told`, { topic: name, mayStillCome: true }); // `watch.ended` has no place in the order
    for (const span of this.#server.narrowSpans) {
      const wasThere = span.narrow + kToldMs < Math.min(span.wide, at) && !this.#gone.some(({ from, until }) => from < span.narrow + kToldMs && until > span.narrow) && this.#connectedAt < span.asked;
      const joined = topic.last === undefined ? this.#connectedAt : topic.last.answeredAt;
      const others = rights.some((right) => !right.isOfCatalog && right.endedAt > span.wide && this.#ledger.startedAt(right.from) < span.wide);
      const isOver = span.back < this.#roundBegan;
      if (wasThere && !isOver && joined < span.asked && !others) this.#violate('kept without the right', span.wide, `a catalog without its right to ${name} held for ${Math.round(span.wide - span.narrow)} ms, and it was not told`, { topic: name });
    }
  }

  #roundBegan = 0;

  /** The moment at which this round began. */
  set roundBegan(at: number) {
    this.#roundBegan = at;
  }
}
