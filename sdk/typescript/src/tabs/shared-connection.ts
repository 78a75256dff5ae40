import { Backoff } from '../backoff.js';
import type { Connection, ConnectionUser, SocketConnection } from '../connection.js';
import { EventBusError } from '../errors.js';
import type { Json } from '../guards.js';
import { Observers } from '../observers.js';
import { positionOf } from '../offset.js';
import type { Settings, TokenContext, TokenFunction } from '../options.js';
import { kCharsPerMs } from '../socket.js';
import type { ConnectionState, ConnectionTransport } from '../state.js';
import { stirsOf } from '../stirs.js';
import { tokenOf } from '../token.js';
import { uuid } from '../uuid.js';
import type { Browser } from './group.js';
import { Group } from './group.js';
import { Hub } from './hub.js';
import type { News } from './messages.js';
import { unpack } from './messages.js';
import { whoseIs } from './who.js';

const kRetryFirstMs = 500;
const kRetryMaxMs = 10_000;
const kStirFirstMs = 3_000;
const kStirMaxMs = 30_000;
const kTokenFailuresMax = 3; // then another tab may lead
const kTokenMs = 10_000; // that a function may take
const kKeepTokenMs = 10_000; // one that named the group is good for the CONNECT that follows

interface Call {
  readonly onAnswer: (answer: Json | EventBusError) => void;
  timer: ReturnType<typeof setTimeout> | undefined; // undefined: it was told that it is late
  readonly sentAt: number;
}

/** Makes a connection with a socket of its own. */
export type Connect = (settings: Settings, user: ConnectionUser) => SocketConnection;

/**
 * What a tab takes for its connection, while one tab of the group has the socket. It goes on from its own place whoever
 * leads: a new leader is to it what a new session is.
 *
 * (1) An event in order is passed on once, by its place, whichever leader sends it.
 * (2) A call that its leader has not answered ends as `unavailable` when another one leads.
 * (3) Only tabs whose tokens name the same user are in one group. Where nobody can tell, the tab is in none.
 */
export class SharedConnection implements Connection {
  readonly states = new Observers<ConnectionState>();
  readonly #settings: Settings;
  readonly #user: ConnectionUser;
  readonly #connect: Connect;
  readonly #browser: Browser;
  readonly #backoff = new Backoff(kRetryFirstMs, kRetryMaxMs);
  readonly #stirBackoff = new Backoff(kStirFirstMs, kStirMaxMs);
  readonly #calls = new Map<number, Call>();
  #state: ConnectionState = { status: 'idle' };
  #group: Group | undefined;
  #key: string | undefined; // what the tabs of the group have in common
  #hub: Hub | undefined; // if it leads
  #alone: SocketConnection | undefined; // if it is in no group
  #isBarred = false; // the browser gives this page no locks
  #joins = 0; // numbers the tries to join, so that one that comes too late is not used
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #stirTimer: ReturnType<typeof setTimeout> | undefined;
  #token: string | undefined;
  #tokenAt = 0;
  #tokenFailures = 0; // in a row, as the leader
  #place: string | undefined; // up to which it has passed on what came in order
  #missed = 0; // since it was connected
  #isConnected = false;
  #wasLive = false;
  #maxPayload: number | undefined;
  #dedupeWindowMs: number | undefined;
  #transport: ConnectionTransport | undefined;
  #lastCall = 0;
  readonly #stirs = stirsOf(() => this.stir());
  readonly #onPageHide = () => this.#leave();
  readonly #onPageShow = ({ persisted }: PageTransitionEvent) => persisted && this.#isWanted && this.#joinAgain();

  constructor(settings: Settings, user: ConnectionUser, connect: Connect, browser: Browser) {
    this.#settings = settings;
    this.#user = user;
    this.#connect = connect;
    this.#browser = browser;
  }

  get state(): ConnectionState {
    return this.#alone?.state ?? this.#state;
  }

  get isLive(): boolean {
    return this.#alone?.isLive ?? this.#isConnected;
  }

  get maxPayload(): number | undefined {
    return this.#alone?.maxPayload ?? this.#maxPayload;
  }

  get #isWanted(): boolean {
    return this.state.status !== 'idle' && this.state.status !== 'closed';
  }

  get dedupeWindowMs(): number | undefined {
    return this.#alone?.dedupeWindowMs ?? this.#dedupeWindowMs;
  }

  open(): void {
    if (this.#isWanted) return;
    this.#leave();
    // A page that goes into the back/forward cache must not keep the others waiting for it.
    globalThis.addEventListener?.('pagehide', this.#onPageHide);
    globalThis.addEventListener?.('pageshow', this.#onPageShow);
    this.#stirs.listen();
    this.#setState(this.#onTheWay());
    this.#join();
  }

  // The session is everybody's: the leader begins a new one. But first the tab looks whether it is in the right group.
  reconnect(): void {
    if (!this.#isWanted) return this.open();
    if (this.#alone !== undefined) return this.#alone.reconnect();
    const join = this.#joins;
    this.#token = undefined;
    if (this.#hub !== undefined || typeof this.#settings.token !== 'function') return this.#group?.ask({ kind: 'reconnect' });
    void tokenOf(this.#settings.token, {}, () => {}).then((token) => {
      if (join !== this.#joins) return;
      if (token instanceof EventBusError) return token.code === 'signed_out' && this.#end(token);
      if (this.#keyFor(token) !== this.#key) return this.#moveTo(token!);
      this.#group?.ask({ kind: 'reconnect' });
    });
  }

  // The leader's page may be in the background, where its timers are slow.
  stir(): void {
    const { status, error } = this.state;
    if (this.#alone !== undefined) return this.#alone.stir();
    if (status === 'closed' && error?.retry === 'new-token' && this.#settings.token === undefined) this.open();
    else if (this.#isWanted && !this.#isConnected) this.#group?.ask({ kind: 'stir' });
  }

  disconnect(): void {
    if (this.state.status !== 'idle') this.#stop({ status: 'closed' });
  }

  close(): void {
    this.#stop({ status: 'closed' });
    this.#stirs.end();
    globalThis.removeEventListener?.('pagehide', this.#onPageHide);
    globalThis.removeEventListener?.('pageshow', this.#onPageShow);
  }

  send(command: string, args: readonly unknown[], timeoutMs: number, onAnswer: (answer: Json | EventBusError) => void): void {
    if (this.#alone !== undefined) return this.#alone.send(command, args, timeoutMs, onAnswer);
    if (!this.#isConnected) return onAnswer(new EventBusError('unavailable', 'The event bus is not connected.', { cause: this.#state.error }));
    const call = ++this.#lastCall;
    const onLate = () => {
      waiting.timer = undefined;
      onAnswer(new EventBusError('timeout', `The event bus did not answer ${command} within ${timeoutMs} ms, or the tab with the connection is busy.`));
    };
    const waiting: Call = { onAnswer, timer: setTimeout(onLate, timeoutMs + JSON.stringify(args).length / kCharsPerMs), sentAt: performance.now() };
    this.#calls.set(call, waiting);
    this.#group?.ask({ kind: 'send', call, command, args, timeoutMs });
  }

  // ---- the group -----------------------------------------------------------------------------------

  #join(): void {
    const join = ++this.#joins;
    const { token } = this.#settings;
    if (typeof token !== 'function') return this.#enter(this.#keyFor(token), join);
    if (this.#token !== undefined) return this.#enter(this.#keyFor(this.#token), join);
    const onLate = (error: EventBusError) => join === this.#joins && this.#setState(this.#onTheWay(error));
    void tokenOf(token, {}, onLate).then((given) => {
      if (join !== this.#joins) return;
      if (given instanceof EventBusError) return this.#onNoToken(given);
      this.#keepToken(given!);
      this.#enter(this.#keyFor(given), join);
    });
  }

  #joinAgain(): void {
    this.#leave();
    this.#join();
  }

  #onNoToken(error: EventBusError): void {
    if (error.code === 'signed_out') return this.#end(error);
    this.#setState(this.#onTheWay(error));
    this.#retryTimer = setTimeout(() => this.#join(), this.#backoff.after());
  }

  // What tabs must have in common; undefined: nothing says whose this tab is.
  #keyFor(token: string | undefined): string | undefined {
    const { origin, path, shareTabs } = this.#settings;
    const owner = token === undefined ? undefined : whoseIs(token);
    if (this.#isBarred || (owner === undefined && shareTabs?.name === undefined)) return undefined;
    return JSON.stringify([origin + path, shareTabs?.name ?? null, owner ?? null]);
  }

  #enter(key: string | undefined, join: number): void {
    this.#backoff.reset();
    this.#key = key;
    if (key === undefined) return this.#beAlone();
    const group: Group = new Group(key, uuid(), this.#browser, {
      lead: () => this.#lead(),
      deposed: () => this.#joinAgain(),
      hear: (news) => this.#hear(news),
      asked: (from, request) => this.#hub?.receive(from, request),
      gone: (tab) => this.#hub?.gone(tab),
    });
    this.#group = group;
    group.enter().catch(() => {
      if (join !== this.#joins) return;
      this.#isBarred = true;
      this.#beAlone();
    });
  }

  #beAlone(): void {
    this.#group = undefined;
    this.#key = undefined;
    const alone = this.#connect({ ...this.#settings, token: this.#tokenOfGroup() }, this.#user);
    this.#alone = alone;
    alone.states.add((state) => {
      if (alone === this.#alone) this.#setState(state);
    });
    alone.open();
  }

  #lead(): void {
    const group = this.#group;
    this.#hub = new Hub({
      connect: (user) => this.#connect({ ...this.#settings, token: this.#tokenOfGroup() }, user),
      tell: (news) => group?.tell(news),
      ended: (error) => this.#end(error),
    });
    this.#hub.open();
  }

  // As the application's; but another user's token ends the membership before it is used.
  #tokenOfGroup(): Settings['token'] {
    const source = this.#settings.token;
    if (typeof source !== 'function') return source;
    return async (context: TokenContext) => {
      const join = this.#joins;
      const kept = context.refused === undefined && performance.now() - this.#tokenAt < kKeepTokenMs ? this.#token : undefined;
      this.#token = undefined;
      if (context.refused !== undefined) this.#tokenFailed(join);
      const late = setTimeout(() => this.#tokenFailed(join, kTokenFailuresMax), kTokenMs);
      try {
        const token = kept ?? (await (source as TokenFunction)(context));
        if (token !== null && join === this.#joins && this.#keyFor(token) !== this.#key) this.#moveTo(token);
        return token;
      } catch (thrown) {
        this.#tokenFailed(join);
        throw thrown;
      } finally {
        clearTimeout(late);
      }
    };
  }

  // One tab that gets no token must not keep the others from the bus, whose functions may do better.
  #tokenFailed(join: number, count = 1): void {
    if (join !== this.#joins || this.#isConnected) return;
    this.#tokenFailures += count;
    if (this.#hub === undefined || this.#tokenFailures < kTokenFailuresMax) return;
    this.#tokenFailures = 0;
    this.#joinAgain();
  }

  #keepToken(token: string): void {
    this.#token = token;
    this.#tokenAt = performance.now();
  }

  #moveTo(token: string): void {
    this.#leave();
    this.#keepToken(token);
    this.#place = undefined; // it is the other user's; the server will tell it from what it is asked for
    this.#join();
  }

  #leave(): void {
    ++this.#joins;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#stirTimer);
    this.#hub?.close();
    this.#hub = undefined;
    this.#group?.leave();
    this.#group = undefined;
    const alone = this.#alone;
    this.#alone = undefined;
    alone?.close();
    this.#disconnected(undefined);
  }

  // The server, or the function `token`, will have nobody. Another tab may find that it is let in.
  #end(error: EventBusError): void {
    this.#stop({ status: 'closed', error });
  }

  #stop(state: ConnectionState): void {
    this.#state = state; // before anything is told of the end of the calls
    this.#leave();
    this.#token = undefined;
    this.#setState(state, () => {
      if (state.error !== undefined) this.#user.refused(state.error);
    });
  }

  // ---- what the leader says ------------------------------------------------------------------------

  #hear(news: News): void {
    switch (news.kind) {
      case 'leads':
        return this.#attach();
      case 'down':
        this.#stirSoon();
        return this.#disconnected(news.error && unpack(news.error));
      case 'connected':
        return this.#onConnected(news);
      case 'caughtUp':
        return this.#onCaughtUp(news);
      case 'transport':
        return this.#onTransport(news.transport);
      case 'changedHands':
        this.#place = undefined;
        return this.#user.changedHands();
      case 'refused':
        return this.#user.refused(unpack(news.error));
      case 'lost':
        this.#place = news.gap.to;
        return this.#user.lost(news.gap);
      case 'answer':
        return this.#onAnswer(news);
      case 'emitted':
        return this.#onEmitted(news.name, news.args);
    }
  }

  // The timers of a leader in the background may be a minute late. Those of a page that somebody looks at are not.
  #stirSoon(): void {
    clearTimeout(this.#stirTimer);
    if (this.#hub !== undefined) return;
    this.#stirTimer = setTimeout(() => {
      if (globalThis.document?.visibilityState === 'visible') this.stir();
      this.#stirSoon();
    }, this.#stirBackoff.after());
  }

  #attach(): void {
    this.#disconnected(undefined);
    const { since, principal } = this.#user.resumeRequest();
    this.#group?.ask({ kind: 'attach', since: this.#place ?? since, principal });
  }

  #onConnected({ isRecovered, since, place, maxPayload }: News & { kind: 'connected' }): void {
    clearTimeout(this.#stirTimer);
    this.#stirBackoff.reset();
    this.#isConnected = true;
    this.#tokenFailures = 0;
    this.#wasLive = true;
    this.#maxPayload = maxPayload;
    this.#missed = 0;
    if (!isRecovered) this.#place = since ?? place;
    this.#setState({ status: isRecovered || since !== undefined ? 'catching-up' : 'live' }, () => this.#user.connected(isRecovered, { since, topics: [] }));
  }

  #onCaughtUp({ place, principal, dedupeWindowMs }: News & { kind: 'caughtUp' }): void {
    if (!this.#isConnected) return;
    this.#dedupeWindowMs = dedupeWindowMs;
    if (place !== undefined && this.#isNew(place)) this.#place = place;
    this.#user.caughtUp(this.#place, principal);
    if (this.#state.status !== 'live' || this.#missed > 0) this.#setState({ status: 'live', missed: this.#missed });
  }

  #onTransport(transport: ConnectionTransport | undefined): void {
    const isNew = JSON.stringify(transport) !== JSON.stringify(this.#transport);
    this.#transport = transport;
    if (isNew && this.#isConnected) this.#setState(this.#state);
  }

  #onEmitted(name: string, args: readonly unknown[]): void {
    if (!this.#isConnected) return;
    const place = args.at(-1);
    if (typeof place === 'string') {
      if (!this.#isNew(place)) return; // the leader before has sent it
      this.#place = place;
      ++this.#missed;
    }
    this.#user.emitted(name, args);
  }

  #isNew(place: string): boolean {
    return this.#place === undefined || positionOf(place) > positionOf(this.#place);
  }

  #onAnswer({ call, answer, error }: News & { kind: 'answer' }): void {
    const waiting = this.#calls.get(call);
    if (waiting === undefined) return;
    const { timer } = waiting;
    clearTimeout(timer);
    waiting.timer = undefined;
    if (error?.code !== 'timeout') this.#calls.delete(call);
    else if (timer === undefined) return; // it knows
    this.#user.answered?.(performance.now() - waiting.sentAt);
    if (answer !== undefined) waiting.onAnswer(answer);
    else if (error !== undefined) waiting.onAnswer(unpack(error));
  }

  #disconnected(error: EventBusError | undefined): void {
    this.#isConnected = false;
    if (this.#isWanted) this.#setState(this.#onTheWay(error));
    const broken = new EventBusError('unavailable', 'The connection of the tabs broke before this was answered.', { cause: error });
    for (const [call, { onAnswer, timer }] of [...this.#calls]) {
      this.#calls.delete(call);
      clearTimeout(timer);
      if (timer !== undefined) onAnswer(broken); // else it was told that it is late
    }
  }

  #onTheWay(error?: EventBusError): ConnectionState {
    return { status: this.#wasLive ? 'reconnecting' : 'connecting', ...(error && { error }) };
  }

  // What is told holds: an observer may ask for more at once. `begin` does what belongs to the state.
  #setState(news: ConnectionState, begin?: () => void): void {
    const isConnected = this.#isConnected && (news.status === 'live' || news.status === 'catching-up');
    const state = isConnected && this.#transport !== undefined ? { ...news, transport: this.#transport } : news;
    this.#state = state;
    begin?.();
    if (this.#state === state) this.states.tell(state);
  }
}

/** A connection for this tab that it shares with the user's others, where the browser lets it. */
export function shareConnection(settings: Settings, user: ConnectionUser, connect: Connect): Connection {
  if (!canShare()) return connect(settings, user);
  return new SharedConnection(settings, user, connect, { locks: navigator.locks, BroadcastChannel });
}

// Browsers have locks on secure origins only, and old ones have none.
function canShare(): boolean {
  return typeof globalThis.navigator?.locks?.request === 'function' && typeof globalThis.BroadcastChannel === 'function';
}
