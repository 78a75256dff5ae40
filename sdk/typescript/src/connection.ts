import type { Socket as Engine } from 'engine.io-client';

import { Backoff } from './backoff.js';
import { EventBusError, sentence } from './errors.js';
import type { Json } from './guards.js';
import { fieldsOf, keptString, optionalNumber, optionalString } from './guards.js';
import { Observers } from './observers.js';
import type { Settings } from './options.js';
import type { Session } from './socket.js';
import { Socket } from './socket.js';
import type { ConnectionState, Gap } from './state.js';
import { isConnected } from './state.js';
import { stirsOf } from './stirs.js';
import { tokenOf } from './token.js';
import { Transports } from './transports.js';

const kRetryFirstMs = 500;
const kRetryMaxMs = 10_000;
const kTryMs = 20_000; // until it is open, and then until CONNECT is answered
const kAnswerMs = 10_000;
const kRenewalsMs = 1_000; // from one renewal to the next, at least
const kRefusalsMax = 2; // in a row, with a fresh token each, before those who wait are told

/** What a CONNECT asks to go on from, for when the server does not know the session. */
export interface ResumeRequest {
  /** The old session would begin anew with a history that has come a part of its way: a new one goes on with it. */
  readonly isAnew?: boolean;
  /** Whose it is, as the server named them; for anybody else the CONNECT is refused. */
  readonly principal?: string | undefined;
  readonly since: string | undefined;
  readonly topics: readonly string[];
}

/** Who uses the connection. */
export interface ConnectionUser {
  /** Asked at every CONNECT. */
  resumeRequest(): ResumeRequest;
  /** It is live. `recovered`: the session is the old one. `asked`: what CONNECT carried. */
  connected(recovered: boolean, asked: ResumeRequest): void;
  /** What this CONNECT was to go on from is lost; it goes on from `gap.to`. */
  lost(gap: Gap): void;
  /** What came before has been told. Where the client is now, and who is signed in, as a hash; undefined: the server does not say. */
  caughtUp(place: string | undefined, principal: string | undefined): void;
  /** Somebody else is signed in than before. What follows is theirs. */
  changedHands(): void;
  /** Something the server emitted. */
  emitted(name: string, args: readonly unknown[]): void;
  /** A command was answered, so many ms after it was sent. */
  answered?(ms: number): void;
  /** The server will not have us; what waits should know. */
  refused(error: EventBusError): void;
}

/** What publishers and subscriptions talk over. */
export interface Connection {
  readonly states: Observers<ConnectionState>;
  readonly state: ConnectionState;
  /** Whether commands can be sent now. */
  readonly isLive: boolean;
  /** What the server takes as one message, in bytes; undefined: it has not said so yet. */
  readonly maxPayload: number | undefined;
  /** How long the server knows a repeated publish by its id, in ms; undefined: it has not said so yet. */
  readonly dedupeWindowMs: number | undefined;
  /** Starts to connect, if it is not connected or on the way. */
  open(): void;
  /** Connects anew, with a new token. */
  reconnect(): void;
  /** Ends it, until it is opened again. */
  disconnect(): void;
  /** Ends it for good, and tells the server that it need not keep the session. */
  close(): void;
  /**
   * Sends a command. `onAnswer` is called with the fields of its answer before anything is told that came behind it; or
   * with the server's error, with `unavailable` when the connection is or goes down (the command may have been done),
   * or with `timeout`: after that once more, if the answer comes while the connection lives. The time does not run while the
   * transport still holds what was sent, and is longer behind much that has no answer yet.
   */
  send(command: string, args: readonly unknown[], timeoutMs: number, onAnswer: (answer: Json | EventBusError) => void): void;
}

/**
 * A Socket.IO connection that comes back by itself: after a drop, a try that failed, a restart of the server, a close by the
 * server, and a refused token where a new one can be had.
 *
 * (1) One thing is under way at most: a pause, a try, or a socket. Each begins by ending the others.
 * (2) Nothing is sent while no socket is connected; what waits is its caller's, and is sent again by it.
 */
export class SocketConnection implements Connection {
  readonly states = new Observers<ConnectionState>();
  state: ConnectionState = { status: 'idle' };
  dedupeWindowMs: number | undefined;
  readonly #settings: Settings;
  readonly #user: ConnectionUser;
  readonly #transports: Transports;
  readonly #tryMs: number;
  readonly #backoff: Backoff;
  #pause: ReturnType<typeof setTimeout> | undefined;
  #giveUp: (() => void) | undefined; // of a try
  #socket: Socket | undefined;
  #session: Session = {};
  #asked: ResumeRequest = { since: undefined, topics: [] };
  #lostTo: string | undefined; // where the gap that this CONNECT was told of ends
  #wasLive = false;
  #refusals = 0;
  #refusedCode: string | undefined;
  #isRenewing = false;
  #renewTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #stirs = stirsOf(() => this.stir());

  constructor(settings: Settings, user: ConnectionUser) {
    const { timeout = kTryMs, reconnectionDelay = kRetryFirstMs, reconnectionDelayMax = kRetryMaxMs } = settings.socketOptions;
    this.#settings = settings;
    this.#user = user;
    this.#transports = new Transports(settings);
    this.#tryMs = timeout;
    this.#backoff = new Backoff(reconnectionDelay, reconnectionDelayMax);
  }

  get isLive(): boolean {
    return this.#socket?.isConnected === true;
  }

  get maxPayload(): number | undefined {
    return this.#socket?.maxPayload;
  }

  open(): void {
    if (this.#isWanted) return;
    this.#refusals = 0;
    this.#stirs.listen();
    this.#startAnew();
  }

  reconnect(): void {
    if (this.#isWanted) this.#startAnew();
    else this.open();
  }

  // Tries now, if it waits to try again: the network is back, or somebody looks at the page and may have renewed the cookie.
  stir(): void {
    const { state } = this;
    if (state.status === 'closed' && state.error?.retry === 'new-token' && this.#settings.token === undefined) this.open();
    else if (this.#pause !== undefined) this.#startAnew();
  }

  get #isWanted(): boolean {
    return this.state.status !== 'idle' && this.state.status !== 'closed';
  }

  disconnect(): void {
    if (this.state.status !== 'idle') this.#stop();
  }

  close(): void {
    this.#stop();
    this.#stirs.end();
    this.#session = {};
  }

  send(command: string, args: readonly unknown[], timeoutMs: number, onAnswer: (answer: Json | EventBusError) => void): void {
    if (!this.isLive) return onAnswer(new EventBusError('unavailable', 'The event bus is not connected.', { cause: this.state.error }));
    const sentAt = performance.now();
    this.#socket!.send(command, args, timeoutMs, (missing, answer) => {
      if (missing === undefined) {
        this.#user.answered?.(performance.now() - sentAt);
        return onAnswer(readAnswer(command, answer));
      }
      const [code, how] = missing === 'timeout' ? (['timeout', `within ${timeoutMs} ms`] as const) : (['unavailable', 'before the connection broke'] as const);
      onAnswer(new EventBusError(code, `The event bus did not answer ${command} ${how}.`, { cause: this.state.error }));
    });
  }

  #dial(): void {
    this.#drop();
    this.#giveUp = this.#transports.dial(this.#tryMs, {
      opened: (engine, maxPayload) => void this.#connect(engine, maxPayload),
      failed: (why, cause) => this.#fail(`The event bus at ${this.#settings.address} cannot be reached`, why, cause),
    });
  }

  // Signs in on a connection that is open.
  async #connect(engine: Engine, maxPayload: number | undefined): Promise<void> {
    let when = ' before the function `token` gave a token';
    const socket = (this.#socket = new Socket(engine, maxPayload, this.#session, {
      connected: () => {
        when = '';
        this.#onConnected(socket);
      },
      refused: (message, data) => this.#onRefused(readError(data, message)),
      emitted: (name, args) => this.#onEmitted(name, args),
      upgraded: () => this.#setState(this.state),
      closed: (why, cause) => this.#fail(`The connection to ${this.#settings.address} ended${when}`, why, cause),
    }));
    const source = this.#settings.token;
    const context = this.#refusedCode === undefined ? {} : { refused: this.#refusedCode };
    const token = await tokenOf(source, context, (error) => socket === this.#socket && this.#setState(this.#onTheWay(error)));
    if (socket !== this.#socket) return; // that connection is gone
    if (token instanceof EventBusError) return token.code === 'signed_out' ? this.#stop(token) : this.#again(token);
    this.#asked = this.#user.resumeRequest();
    const { since, topics, principal, isAnew = false } = this.#asked;
    when = ' before it answered CONNECT';
    const auth = {
      place: true,
      refresh: typeof source === 'function' || undefined, // what is undefined is not in the JSON
      token,
      principal,
      since,
      topics: since === undefined ? undefined : topics,
    };
    socket.connect(auth, isAnew, this.#tryMs);
  }

  // The token ends soon: another goes on in its place, on the connection that there is. Where none can be had the state says
  // so, and the server ends it: the next CONNECT asks again.
  async #renew(endsAt: number, refused?: string): Promise<void> {
    const socket = this.#socket;
    this.#isRenewing = true;
    const again = (error: EventBusError) => {
      this.#setState({ ...this.state, error });
      this.#renewTimer = setTimeout(() => void this.#renew(endsAt, error.retry === 'new-token' ? error.code : undefined), this.#backoff.after(error));
    };
    const context = { expiresInMs: Math.max(0, endsAt - performance.now()), ...(refused !== undefined && { refused }) };
    const token = await tokenOf(this.#settings.token, context, (error) => socket === this.#socket && this.#setState({ ...this.state, error }));
    if (socket !== this.#socket) return;
    if (token instanceof EventBusError) return token.code === 'signed_out' ? this.#stop(token) : again(token);
    this.send('auth.refresh', [{ token }], kAnswerMs, (answer) => {
      if (socket !== this.#socket) return;
      clearTimeout(this.#renewTimer); // of a try again, if it is late
      if (answer instanceof EventBusError && answer.code !== 'forbidden') return again(answer);
      this.#backoff.reset();
      this.#renewTimer = setTimeout(() => (this.#isRenewing = false), kRenewalsMs);
      if (answer instanceof EventBusError) return this.#again(answer); // it is somebody else's
      const { error, ...state } = this.state;
      if (error !== undefined) this.#setState(state);
    });
  }

  #onConnected({ recovered }: Socket): void {
    this.#wasLive = true;
    this.#refusals = 0;
    this.#refusedCode = undefined;
    this.#lostTo = undefined;
    // Only with `since` is it certain that the end of the catching up will be told.
    this.#setState({ status: this.#asked.since === undefined ? 'live' : 'catching-up' }, () => this.#user.connected(recovered, this.#asked));
  }

  #onRefused(error: EventBusError): void {
    if (error.code === 'principal_changed' && this.#asked.principal !== undefined) {
      this.#user.changedHands();
      if (this.#isWanted) this.#dial();
    } else if (error.retry === 'new-token' && typeof this.#settings.token === 'function') {
      this.#refusedCode = error.code;
      this.#again(error);
      if (++this.#refusals >= kRefusalsMax) this.#user.refused(error);
    } else if (error.retry === 'later' || error.retry === 'reconnect') {
      this.#again(error);
    } else {
      this.#stop(error);
    }
  }

  #onEmitted(name: string, args: readonly unknown[]): void {
    const body = fieldsOf(args[0]);
    if (name === 'resume.done') this.#onCaughtUp(body, args[1]);
    else if (name === 'token.expiring') void (this.#isRenewing || this.#renew(performance.now() + (optionalNumber(body.expiresInMs) ?? 0)));
    else if (name === 'token.expired') this.#refusedCode = 'token_expired'; // the close follows, and the next CONNECT has a new token
    else if (name === 'resume.unknown') this.#onUnknown(body);
    else this.#user.emitted(name, args);
  }

  #onCaughtUp(body: Json, place: unknown): void {
    const missed = optionalNumber(body.missed) ?? 0;
    this.dedupeWindowMs = optionalNumber(body.dedupeWindowMs) ?? this.dedupeWindowMs;
    this.#backoff.reset(); // and not before: what it missed may be what ends it
    this.#user.caughtUp(keptString(place), keptString(body.principal));
    if (this.state.status !== 'live' || missed > 0) this.#setState({ status: 'live', missed });
  }

  // A session that is forgotten costs nothing with a place to go on from, which is told if it is not
  // known itself. Behind an offset that is not known the log has lost something.
  #onUnknown({ code, to }: Json): void {
    if (typeof to !== 'string') return;
    const { since } = this.#asked;
    if (code === 'since' && !this.#socket!.recovered) this.#setState({ status: 'live' }); // no end of a catching up will be told
    const isLost = code === 'since' || code === 'offset' || (code === 'session' && since === undefined);
    if (!isLost || to === this.#lostTo) return; // one gap, also if it is told of the session and of `since`
    this.#lostTo = to;
    this.#user.lost({ ...(since !== undefined && { from: since }), to });
  }

  #fail(what: string, why: string, cause: unknown): void {
    this.#again(new EventBusError('unavailable', sentence(`${what}: ${why}`), { cause }));
  }

  // Tries again after a pause. Each call that waits has its own deadline.
  #again(error: EventBusError): void {
    const pauseMs = this.#backoff.after(error);
    this.#setState(this.#onTheWay(error), () => {
      this.#drop();
      this.#pause = setTimeout(() => this.#dial(), pauseMs);
    });
  }

  #startAnew(): void {
    this.#setState(this.#onTheWay(), () => this.#dial());
  }

  #stop(error?: EventBusError): void {
    this.#setState({ status: 'closed', ...(error && { error }) }, () => {
      this.#drop();
      if (error !== undefined) this.#user.refused(error);
    });
  }

  // Ends what is under way. A token that is still to come is not for the next socket, which asks for its own.
  #drop(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    clearTimeout(this.#renewTimer);
    this.#isRenewing = false;
    this.#giveUp?.();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #onTheWay(error?: EventBusError): ConnectionState {
    return { status: this.#wasLive ? 'reconnecting' : 'connecting', ...(error && { error }) };
  }

  // What is told holds: an observer may ask for more at once. `begin` does what belongs to the state.
  #setState(news: ConnectionState, begin?: () => void): void {
    const state = isConnected(news) ? { ...news, transport: this.#transports.describe(this.#socket!.transport) } : news;
    this.state = state;
    begin?.();
    if (this.state === state) this.states.tell(state);
  }
}

/** `send` as a promise: what came right behind the answer is told before it resolves. */
export function request(connection: Pick<Connection, 'send'>, command: string, args: readonly unknown[], timeoutMs: number): Promise<Json> {
  return new Promise((resolve, reject) => {
    connection.send(command, args, timeoutMs, (answer) => (answer instanceof EventBusError ? reject(answer) : resolve(answer)));
  });
}

function readAnswer(command: string, answer: unknown): Json | EventBusError {
  const fields = fieldsOf(answer);
  if (fields.ok === true) return fields;
  if (fields.ok === false) return readError(fields.error, `${command} was refused.`);
  return new EventBusError('internal', `The answer to ${command} is not of an event bus: is the address right?`);
}

/** `{ code, message, retryAfterMs? }` as the server sends it. */
export function readError(body: unknown, otherwise: string): EventBusError {
  const { code, message, retryAfterMs } = fieldsOf(body);
  return new EventBusError(optionalString(code) ?? 'bad_request', optionalString(message) ?? otherwise, { retryAfterMs: optionalNumber(retryAfterMs) });
}
