import type { ConnectionUser, ResumeRequest, SocketConnection } from '../connection.js';
import { EventBusError } from '../errors.js';
import { isObject } from '../guards.js';
import type { Json } from '../guards.js';
import { positionOf } from '../offset.js';
import type { ConnectionState, Gap } from '../state.js';
import { coversEvent } from '../topic.js';
import type { News, Request } from './messages.js';
import { carry } from './messages.js';
import { Recent } from './recent.js';
import { Topics } from './topics.js';

const kAnswerMs = 10_000;

interface Tab {
  readonly id: string;
  /** It has been sent all up to here; undefined: it has no place yet, and begins behind what is missed now. */
  place: string | undefined;
  /** Whose place that is; undefined: nobody has said it. */
  principal: string | undefined;
  /** Its place may be of another log: a CONNECT that begins there will tell. */
  isInDoubt: boolean;
  /** The server knows its place. */
  isVerified: boolean;
  /** It has been told of this session. */
  isIn: boolean;
  /** Where the histories that it asked for in this session begin, by topic. */
  readonly histories: Map<string, number>;
}

/** The tab that has the hub. */
export interface HubUser {
  connect(user: ConnectionUser): SocketConnection;
  /** To the tabs, that of the hub included. */
  tell(news: News): void;
  /** The server, or the function `token`, will have nobody: it does not come back by itself. */
  ended(error: EventBusError): void;
}

/**
 * The leader's side: one connection for several tabs, each of which takes it for its own.
 *
 * (1) Each tab is sent what came in order after its own place, in order; it drops what it has seen. What is missing here is
 *     fetched by a connection that begins at the earliest place of all.
 * (2) A history goes to the tabs that asked for one of its topic.
 * (3) The server hears of the end of a topic when no tab holds it any more.
 */
export class Hub {
  readonly #user: HubUser;
  readonly #tabs = new Map<string, Tab>();
  readonly #topics = new Topics();
  readonly #recent = new Recent();
  #connection: SocketConnection | undefined;
  #asked: ResumeRequest = { since: undefined, topics: [] };
  #principal: string | undefined; // who is signed in, once the server has said it
  #isCaughtUp = false;
  #isBeginningAnew = false;

  constructor(user: HubUser) {
    this.#user = user;
  }

  /** Connects. */
  open(): void {
    const connection: SocketConnection = this.#user.connect({
      resumeRequest: () => this.#resumeRequest(),
      connected: (recovered) => this.#onConnected(recovered),
      emitted: (name, args) => this.#onEmitted(name, args),
      caughtUp: (place, principal) => this.#onCaughtUp(place, principal),
      changedHands: () => this.#onChangedHands(),
      lost: (gap) => this.#onLost(gap),
      refused: (error) => this.#onRefused(error),
    });
    this.#connection = connection;
    connection.states.add((state) => {
      if (connection === this.#connection) this.#onState(state);
    });
    connection.open();
  }

  close(): void {
    this.#isBeginningAnew = false;
    this.#drop();
    this.#user.tell({ kind: 'down', error: undefined });
  }

  receive(from: string, request: Request): void {
    const tab = this.#tabs.get(from);
    if (request.kind === 'attach') this.#attach(from, request.since, request.principal);
    else if (request.kind === 'leave') this.gone(from);
    else if (request.kind === 'stir') this.#connection?.stir();
    else if (request.kind === 'reconnect') this.#connection?.reconnect();
    else if (tab !== undefined) this.#send(tab, request);
  }

  /** The tab has been closed, or has died. */
  gone(id: string): void {
    if (!this.#tabs.delete(id)) return;
    for (const topic of this.#topics.gone(id)) this.#unsubscribe(topic);
  }

  #attach(id: string, since: string | undefined, principal: string | undefined): void {
    const tab = { id, place: since, principal, isInDoubt: false, isVerified: false, isIn: false, histories: new Map<string, number>() };
    this.#tabs.set(id, tab);
    if (this.#connection?.isLive === true) this.#letIn(tab);
  }

  // ---- the connection ------------------------------------------------------------------------------

  // Each tab asks for its own topics, from its own places. A place of somebody else than most is dealt with in #letIn.
  #resumeRequest(): ResumeRequest {
    const tabs = [...this.#tabs.values()].filter(({ place }) => place !== undefined);
    const principal = this.#principal ?? tabs.find((tab) => tab.principal !== undefined)?.principal;
    const own = tabs.filter((tab) => tab.principal === undefined || tab.principal === principal);
    const inDoubt = own.find(({ isInDoubt }) => isInDoubt);
    const since = inDoubt?.place ?? earliest(own.map(({ place }) => place!));
    return (this.#asked = { principal, since, topics: [] });
  }

  #onConnected(recovered: boolean): void {
    this.#isCaughtUp = false;
    this.#principal ??= this.#asked.principal; // the server would have refused another
    if (!recovered) {
      this.#topics.clear();
      for (const tab of this.#tabs.values()) tab.isIn = false;
      if (this.#asked.since !== this.#recent.place) this.#recent.begin(this.#asked.since);
      for (const tab of this.#tabs.values()) if (tab.place === this.#asked.since) verify(tab);
    }
    for (const tab of this.#tabs.values()) {
      if (tab.isIn) this.#tellConnected(tab, true, undefined);
      else this.#letIn(tab);
    }
  }

  #onCaughtUp(place: string | undefined, principal: string | undefined): void {
    const to = [...this.#tabs.values()].filter(({ isIn }) => isIn).map(({ id }) => id);
    this.#isCaughtUp = true;
    this.#principal = principal ?? this.#principal;
    if (place !== undefined) this.#recent.pass(place);
    this.#tellCaughtUp(to);
    for (const tab of this.#tabs.values()) if (!tab.isIn) this.#letIn(tab);
  }

  #letIn(tab: Tab): void {
    const isOthers = tab.principal !== undefined && tab.principal !== this.#principal;
    if (!this.#isCaughtUp && (tab.place === undefined || isOthers)) return; // what is missed is older than it; or it is not known yet whose it is
    if (isOthers) this.#changeHands([tab]);
    const { place } = tab;
    if (place !== undefined && !this.#recent.covers(place, tab.isVerified)) {
      tab.isInDoubt = !tab.isVerified && !this.#recent.knows(place);
      return this.#beginAnewSoon();
    }
    tab.isIn = true;
    tab.histories.clear();
    this.#tellConnected(tab, false, place);
    const missed = place === undefined ? [] : this.#recent.after(place);
    for (const event of missed) this.#user.tell({ kind: 'emitted', ...event, to: [tab.id] });
    if (this.#isCaughtUp) this.#tellCaughtUp([tab.id]);
  }

  #tellConnected({ id }: Tab, isRecovered: boolean, since: string | undefined): void {
    this.#user.tell({ kind: 'transport', to: [id], transport: this.#connection?.state.transport });
    this.#user.tell({ kind: 'connected', to: [id], isRecovered, since, place: this.#recent.place, maxPayload: this.#connection?.maxPayload });
  }

  #tellCaughtUp(to: readonly string[]): void {
    this.#user.tell({ kind: 'caughtUp', to, place: this.#recent.place, principal: this.#principal, dedupeWindowMs: this.#connection?.dedupeWindowMs });
  }

  // Not at once, since this may be told by the connection. No timer: those of a page in the background are slow. Tabs that
  // come until it connects are part of it, as when a browser starts with all that it had.
  #beginAnewSoon(): void {
    if (this.#isBeginningAnew) return;
    this.#isBeginningAnew = true;
    queueMicrotask(() => {
      if (!this.#isBeginningAnew) return;
      this.#isBeginningAnew = false;
      this.#drop();
      this.#onState({ status: 'reconnecting' });
      for (const tab of this.#tabs.values()) tab.isIn = false;
      this.open();
    });
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  #onState(state: ConnectionState): void {
    if (state.status === 'live') return this.#user.tell({ kind: 'transport', transport: state.transport });
    if (state.status !== 'connecting' && state.status !== 'reconnecting') return;
    this.#isCaughtUp = false;
    this.#user.tell({ kind: 'down', error: state.error && carry(state.error) });
    for (const tab of this.#tabs.values()) {
      if (!tab.isIn) continue;
      tab.place = this.#recent.place ?? tab.place;
      tab.principal = this.#principal;
      verify(tab);
    }
  }

  // The server has refused the CONNECT for it, and is asked again.
  #onChangedHands(): void {
    const { principal } = this.#asked;
    this.#principal = undefined;
    this.#recent.begin(undefined);
    this.#changeHands([...this.#tabs.values()].filter((tab) => tab.isIn || tab.principal === principal));
  }

  #changeHands(tabs: readonly Tab[]): void {
    for (const tab of tabs) {
      tab.place = undefined;
      tab.principal = undefined;
      tab.isIn = false;
    }
    this.#user.tell({ kind: 'changedHands', to: tabs.map(({ id }) => id) });
  }

  // A place of another log is that of its tabs alone: the others go on from theirs.
  #onLost(gap: Gap): void {
    const tabs = [...this.#tabs.values()];
    const others = gap.from === undefined ? [] : tabs.filter(({ place }) => place !== undefined && place !== gap.from);
    const lost = tabs.filter((tab) => !others.includes(tab) && (tab.isIn || tab.place !== undefined));
    for (const tab of lost) {
      tab.place = gap.to;
      verify(tab);
    }
    this.#user.tell({ kind: 'lost', gap, to: lost.map(({ id }) => id) });
    this.#recent.begin(gap.to);
    if (others.length > 0) this.#beginAnewSoon();
  }

  #onRefused(error: EventBusError): void {
    if (this.#connection?.state.status === 'closed') this.#user.ended(error);
    else this.#user.tell({ kind: 'refused', error: carry(error) });
  }

  #onEmitted(name: string, args: readonly unknown[]): void {
    const [data, meta] = args;
    const last = args.at(-1);
    if (typeof last === 'string') {
      this.#recent.push(last, name, args);
      this.#user.tell({ kind: 'emitted', name, args });
    } else if (isObject(last) && last.delivery !== undefined) {
      // Of a group, which #onSubscribed refuses: it goes to another member.
    } else if (isObject(meta) && typeof meta.type === 'string') {
      const to = this.#whoAskedFor(meta as { type: string; subject?: string; offset?: string }, isObject(last) ? last.topic : undefined);
      if (to.length > 0) this.#user.tell({ kind: 'emitted', name, args, to });
    } else {
      if (name === 'watch.ended' && isObject(data) && typeof data.topic === 'string') this.#topics.ended(data.topic);
      this.#user.tell({ kind: 'emitted', name, args });
    }
  }

  // `ofTopic`: whose history it is, if the server says so.
  #whoAskedFor(event: { type: string; subject?: string; offset?: string }, ofTopic: unknown): string[] {
    const position = positionOf(event.offset ?? '');
    const isOwed = ({ histories }: Tab) => [...histories].some(([topic, after]) => position > after && (ofTopic === undefined ? coversEvent(topic, event) : topic === ofTopic));
    return [...this.#tabs.values()].filter(isOwed).map(({ id }) => id);
  }

  // ---- commands ------------------------------------------------------------------------------------

  #send(tab: Tab, { call, command, args, timeoutMs }: Request & { kind: 'send' }): void {
    const answer = (given: Json | EventBusError) => {
      const outcome = given instanceof EventBusError ? { error: carry(given) } : { answer: given };
      this.#user.tell({ kind: 'answer', to: [tab.id], call, ...outcome });
    };
    const connection = this.#connection;
    if (connection === undefined) return answer(new EventBusError('unavailable', 'The connection of the tabs begins anew.'));
    const topic = String(args[0]);
    const { group, since } = isObject(args[1]) ? args[1] : {};
    if (command === 'unsubscribe') {
      tab.histories.delete(topic);
      if (!this.#topics.release(topic, tab.id, group)) return answer({ ok: true, topic });
    }
    if (command !== 'subscribe') return connection.send(command, args, timeoutMs, answer);
    const answered = this.#topics.ask(topic, tab.id, group);
    if (typeof since === 'string') tab.histories.set(topic, Math.min(positionOf(since), tab.histories.get(topic) ?? Infinity));
    let isOver = false;
    connection.send(command, args, timeoutMs, (given) => {
      if (isOver) return; // it is asked for again, and that answer counts
      isOver = true;
      const isOfGroup = !(given instanceof EventBusError) && typeof given.group === 'string';
      if (isOfGroup) this.#unsubscribe(topic, given.group);
      const outcome = isOfGroup ? notInTabs(topic) : given;
      if (answered(isAnswered(outcome) ? (outcome instanceof EventBusError ? 'refused' : 'ok') : 'unknown')) this.#unsubscribe(topic);
      answer(outcome);
    });
  }

  // Nobody waits for it: if the connection breaks, the next session does not hold the topic, or holds one that nobody hears.
  #unsubscribe(topic: string, group?: unknown): void {
    this.#connection?.send('unsubscribe', group === undefined ? [topic] : [topic, { group }], kAnswerMs, () => {});
  }
}

function isAnswered(outcome: Json | EventBusError): boolean {
  return !(outcome instanceof EventBusError) || (outcome.code !== 'timeout' && outcome.code !== 'unavailable');
}

function verify(tab: Tab): void {
  tab.isVerified = true;
  tab.isInDoubt = false;
}

function earliest(places: readonly string[]): string | undefined {
  return [...places].sort((one, other) => positionOf(one) - positionOf(other))[0];
}

// The members of a group are connections, so it would be a matter of chance which tab gets what.
function notInTabs(topic: string): EventBusError {
  return new EventBusError('bad_request', `Tabs that share a connection cannot be members of a consumer group: subscribe to ${topic} with group: null, or leave out shareTabs.`);
}
