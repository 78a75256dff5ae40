import type { Connection, ConnectionUser, ResumeRequest } from '../connection.js';
import { EventBusError } from '../errors.js';
import { isObject } from '../guards.js';
import type { Json } from '../guards.js';
import { positionOf } from '../position.js';
import type { ConnectionState, Gap } from '../state.js';
import { coversEvent } from '../topic.js';
import type { News, Request } from './messages.js';
import { carry } from './messages.js';
import { Recent } from './recent.js';
import { Topics } from './topics.js';

const kAnswerMs = 10_000;
const kGatherMs = 50; // tabs that come at the same time, as when a browser starts, make the connection begin anew once

interface Tab {
  readonly id: string;
  /** It has been sent all up to here; undefined: it has no place yet, and begins behind what is missed now. */
  place: string | undefined;
  /** It has been told of this session. */
  isIn: boolean;
  /** Where the histories that it asked for in this session begin, by topic. */
  readonly histories: Map<string, number>;
}

/** Who has a hub. */
export interface HubUser {
  connect(user: ConnectionUser): Connection;
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
  #connection: Connection | undefined;
  #asked: ResumeRequest = { since: undefined, topics: [] };
  #gathering: ReturnType<typeof setTimeout> | undefined;

  constructor(user: HubUser) {
    this.#user = user;
  }

  /** Connects. */
  open(): void {
    const connection: Connection = this.#user.connect({
      resumeRequest: () => this.#resumeRequest(),
      connected: (recovered) => this.#onConnected(recovered),
      emitted: (name, args) => this.#onEmitted(name, args),
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
    clearTimeout(this.#gathering);
    this.#drop();
    this.#user.tell({ kind: 'down', error: undefined });
  }

  receive(from: string, request: Request): void {
    const tab = this.#tabs.get(from);
    if (request.kind === 'attach') this.#attach(from, request.since);
    else if (request.kind === 'leave') this.gone(from);
    else if (tab !== undefined) this.#send(tab, request);
  }

  /** The tab has been closed, or has died. */
  gone(id: string): void {
    if (!this.#tabs.delete(id)) return;
    for (const topic of this.#topics.gone(id)) this.#unsubscribe(topic);
  }

  #attach(id: string, since: string | undefined): void {
    this.gone(id); // it is its own next life, as a page that comes out of the back/forward cache
    const tab = { id, place: since, isIn: false, histories: new Map<string, number>() };
    this.#tabs.set(id, tab);
    if (this.#connection?.isLive === true) this.#letIn(tab);
  }

  // ---- the connection ------------------------------------------------------------------------------

  #resumeRequest(): ResumeRequest {
    const places = [...this.#tabs.values()].flatMap(({ place }) => (place === undefined ? [] : [place]));
    const since = places.length === 0 ? undefined : places.reduce((least, place) => (positionOf(place) < positionOf(least) ? place : least));
    // Each tab asks for its own topics, from its own places.
    return (this.#asked = { since, topics: [] });
  }

  #onConnected(recovered: boolean): void {
    if (!recovered) {
      this.#topics.clear();
      for (const tab of this.#tabs.values()) tab.isIn = false;
      if (this.#asked.since !== this.#recent.place) this.#recent.begin(this.#asked.since);
    }
    for (const tab of this.#tabs.values()) {
      if (tab.isIn) this.#tellConnected(tab, true, undefined);
      else this.#letIn(tab);
    }
  }

  #letIn(tab: Tab): void {
    const { place } = tab;
    if (place === undefined && this.#isCatchingUp) return; // what is missed is older than the tab
    if (place !== undefined && !this.#recent.covers(place)) return this.#beginAnewSoon();
    tab.isIn = true;
    tab.histories.clear();
    const missed = place === undefined ? [] : this.#recent.after(place);
    this.#tellConnected(tab, false, place);
    for (const event of missed) this.#user.tell({ kind: 'emitted', ...event, to: [tab.id] });
    if (!this.#isCatchingUp) this.#user.tell({ kind: 'live', to: [tab.id] });
  }

  #tellConnected({ id }: Tab, isRecovered: boolean, since: string | undefined): void {
    this.#user.tell({ kind: 'connected', to: [id], isRecovered, since, place: this.#recent.place, maxPayload: this.#connection?.maxPayload });
  }

  get #isCatchingUp(): boolean {
    return this.#connection?.state.status === 'catching-up';
  }

  #beginAnewSoon(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#drop();
      this.#onState({ status: 'reconnecting' });
      for (const tab of this.#tabs.values()) tab.isIn = false;
      this.open();
    }, kGatherMs);
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  #onState(state: ConnectionState): void {
    if (state.status === 'live') {
      this.#user.tell({ kind: 'live' });
      for (const tab of this.#tabs.values()) if (!tab.isIn && tab.place === undefined) this.#letIn(tab);
    } else if (state.status === 'connecting' || state.status === 'reconnecting') {
      this.#user.tell({ kind: 'down', error: state.error && carry(state.error) });
      for (const tab of this.#tabs.values()) if (tab.isIn) tab.place = this.#recent.place ?? tab.place;
    }
  }

  // A place of another log is that of its tabs alone: the others go on from theirs.
  #onLost(gap: Gap): void {
    const tabs = [...this.#tabs.values()];
    const others = gap.from === undefined ? [] : tabs.filter(({ place }) => place !== undefined && place !== gap.from);
    const lost = tabs.filter((tab) => !others.includes(tab) && (tab.isIn || tab.place !== undefined));
    for (const tab of lost) tab.place = gap.to;
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
      const to = this.#whoAskedFor(meta as { type: string; subject?: string; offset?: string });
      if (to.length > 0) this.#user.tell({ kind: 'emitted', name, args, to });
    } else {
      if (name === 'watch.ended' && isObject(data) && typeof data.topic === 'string') this.#topics.ended(data.topic);
      this.#user.tell({ kind: 'emitted', name, args });
    }
  }

  #whoAskedFor(event: { type: string; subject?: string; offset?: string }): string[] {
    const position = positionOf(event.offset ?? '');
    const isOwed = ({ histories }: Tab) => [...histories].some(([topic, after]) => position > after && coversEvent(topic, event));
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
    connection.send(command, args, timeoutMs, (given) => {
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

// The members of a group are connections, so it would be a matter of chance which tab gets what.
function notInTabs(topic: string): EventBusError {
  return new EventBusError('bad_request', `Tabs that share a connection cannot be members of a consumer group: subscribe to ${topic} with group: null, or leave out shareTabs.`);
}
