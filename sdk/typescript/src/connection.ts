import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';

import { Backoff } from './backoff.js';
import { EventBusError } from './errors.js';
import type { Json } from './guards.js';
import { fieldsOf, optionalNumber, optionalString } from './guards.js';
import { Observers } from './observers.js';
import type { Settings } from './options.js';
import type { ConnectionState, Gap } from './state.js';
import { isConnected, isOnTheWay } from './state.js';
import { Stirs } from './stirs.js';
import { tokenOf } from './token.js';
import { Transports } from './transports.js';

const kRetryFirstMs = 500;
const kRetryMaxMs = 10_000;
const kAnswerMs = 10_000;
const kKeptCharsMax = 256; // of a place, and of a principal
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
  changedHands(error: EventBusError): void;
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
   * or with `timeout`.
   */
  send(command: string, args: readonly unknown[], timeoutMs: number, onAnswer: (answer: Json | EventBusError) => void): void;
}

/**
 * One Socket.IO connection that comes back by itself: after a drop, a restart of the server, a close
 * by the server, and a refused token where a new one can be had.
 *
 * (1) Listeners are registered once, when the socket is made, never at a connect.
 * (2) Nothing is emitted while the socket is down: socket.io-client would keep it and send it later
 *     beside our own retry.
 */
export class SocketConnection implements Connection {
  readonly states = new Observers<ConnectionState>();
  state: ConnectionState = { status: 'idle' };
  dedupeWindowMs: number | undefined;
  readonly #settings: Settings;
  readonly #user: ConnectionUser;
  readonly #transports: Transports;
  readonly #backoff = new Backoff(kRetryFirstMs, kRetryMaxMs);
  #socket: Socket | undefined;
  #asked: ResumeRequest = { since: undefined, topics: [] };
  #lostTo: string | undefined; // where the gap that this CONNECT was told of ends
  #wasLive = false;
  #connects = 0; // numbers the CONNECTs, so that a token that comes too late is not used
  #refusals = 0;
  #refusedCode: string | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #isRenewing = false;
  #renewTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #stirs = new Stirs(() => this.stir());

  constructor(settings: Settings, user: ConnectionUser) {
    this.#settings = settings;
    this.#user = user;
    this.#transports = new Transports(settings.socketOptions.transports);
  }

  get isLive(): boolean {
    return this.#socket?.connected === true;
  }

  get maxPayload(): number | undefined {
    const { _maxPayload = 0 } = (this.#socket?.io.engine ?? {}) as { _maxPayload?: number }; // as in the server's handshake; -1 before
    return _maxPayload > 0 ? _maxPayload : undefined;
  }

  open(): void {
    if (this.#isWanted) return;
    this.#refusals = 0;
    this.#onTheWay();
    if (this.#socket === undefined) {
      this.#socket = this.#makeSocket();
      this.#stirs.listen();
    }
    this.#socket.connect();
  }

  reconnect(): void {
    if (this.#isWanted) this.#startAnew();
    else this.open();
  }

  // Tries now, if it waits to try again: the network is back, or somebody looks at the page and may have renewed the cookie.
  stir(): void {
    const { state } = this;
    if (state.status === 'closed' && state.error?.retry === 'new-token' && this.#settings.token === undefined) this.open();
    else if (!this.isLive && isOnTheWay(state)) this.#startAnew();
  }

  #startAnew(): void {
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#onTheWay();
    this.#socket?.connect();
  }

  // A token that is still to come is not for the next connection, which asks for its own.
  #drop(): void {
    ++this.#connects;
    this.#socket?.disconnect();
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
    this.#socket?.offAny().removeAllListeners();
    this.#socket = undefined;
  }

  send(command: string, args: readonly unknown[], timeoutMs: number, onAnswer: (answer: Json | EventBusError) => void): void {
    const socket = this.#socket;
    if (!socket?.connected) return onAnswer(new EventBusError('unavailable', 'The event bus is not connected.', { cause: this.state.error }));
    const sentAt = performance.now();
    socket.timeout(timeoutMs).emit(command, ...args, (failure: Error | null, answer: unknown) => {
      if (failure === null) {
        this.#user.answered?.(performance.now() - sentAt);
        return onAnswer(readAnswer(command, answer));
      }
      const [code, how] = socket.connected ? (['timeout', `within ${timeoutMs} ms`] as const) : (['unavailable', 'before the connection broke'] as const);
      onAnswer(new EventBusError(code, `The event bus did not answer ${command} ${how}.`, { cause: failure }));
    });
  }

  #makeSocket(): Socket {
    const socket = io(this.#settings.origin, {
      path: this.#settings.path,
      tryAllTransports: true,
      withCredentials: this.#settings.token === undefined, // the cookie signs in; with `allowed_origins: *` none may be sent
      reconnectionDelay: kRetryFirstMs,
      reconnectionDelayMax: kRetryMaxMs,
      ...this.#settings.socketOptions,
      transports: this.#transports.list,
      autoConnect: false,
      forceNew: true, // another client of this process has an identity of its own
      auth: (send) => void this.#sendConnect(send),
    });
    this.#transports.follow(socket.io);
    socket.on('connect', () => this.#onConnect(socket));
    socket.on('connect_error', (error) => this.#onConnectError(socket, error));
    socket.on('disconnect', (reason) => this.#onDisconnect(socket, reason));
    socket.onAny((name: unknown, ...args: unknown[]) => this.#onEmitted(socket, String(name), args));
    return socket;
  }

  async #sendConnect(send: (auth: Json) => void): Promise<void> {
    const connect = ++this.#connects;
    const source = this.#settings.token;
    const context = this.#refusedCode === undefined ? {} : { refused: this.#refusedCode };
    const token = await tokenOf(source, context, (error) => connect === this.#connects && this.#onTheWay(error));
    if (connect !== this.#connects) return; // that connection is gone
    if (token instanceof EventBusError) return token.code === 'signed_out' ? this.#stop(token) : this.#comeLater(token);
    this.#asked = this.#user.resumeRequest();
    const { since, topics, principal, isAnew } = this.#asked;
    send({
      ...(isAnew && { pid: undefined, offset: undefined }), // socket.io-client's own are left out
      place: true,
      refresh: typeof source === 'function' || undefined, // what is undefined is not in the JSON
      token,
      principal,
      since,
      topics: since === undefined ? undefined : topics,
    });
  }

  // The token ends soon: another goes on in its place, on the connection that there is. Where none can be had the state says
  // so, and the server ends it: the next CONNECT asks again.
  async #renew(endsAt: number, refused?: string): Promise<void> {
    const connect = this.#connects;
    this.#isRenewing = true;
    const again = (error: EventBusError) => {
      this.#setState({ ...this.state, error });
      this.#renewTimer = setTimeout(() => void this.#renew(endsAt, error.retry === 'new-token' ? error.code : undefined), this.#backoff.after(error));
    };
    const context = { expiresInMs: Math.max(0, endsAt - performance.now()), ...(refused !== undefined && { refused }) };
    const token = await tokenOf(this.#settings.token, context, (error) => connect === this.#connects && this.#setState({ ...this.state, error }));
    if (connect !== this.#connects) return;
    if (token instanceof EventBusError) return token.code === 'signed_out' ? this.#stop(token) : again(token);
    this.send('auth.refresh', [{ token }], kAnswerMs, (answer) => {
      if (connect !== this.#connects) return;
      if (answer instanceof EventBusError && answer.code !== 'forbidden') return again(answer);
      this.#backoff.reset();
      this.#renewTimer = setTimeout(() => (this.#isRenewing = false), kRenewalsMs);
      if (answer instanceof EventBusError) return this.#comeLater(answer); // it is somebody else's
      const { error, ...state } = this.state;
      if (error !== undefined) this.#setState(state);
    });
  }

  #endRenewal(): void {
    clearTimeout(this.#renewTimer);
    this.#isRenewing = false;
  }

  #onConnect(socket: Socket): void {
    this.#wasLive = true;
    this.#refusals = 0;
    this.#refusedCode = undefined;
    this.#lostTo = undefined;
    this.#backoff.reset();
    socket.io.engine.once('upgrade', () => this.#setState(this.state));
    // Only with `since` is it certain that the end of the catching up will be told.
    this.#setState({ status: this.#asked.since === undefined ? 'live' : 'catching-up' }, () => this.#user.connected(socket.recovered, this.#asked));
  }

  #onConnectError(socket: Socket, thrown: Error & { data?: unknown }): void {
    if (socket.active) {
      const error = new EventBusError('unavailable', `The event bus at ${this.#settings.origin} cannot be reached: ${reasonOf(thrown)}.`, { cause: thrown });
      return this.#onTheWay(error);
    }
    const error = readError(thrown.data, thrown.message);
    if (error.code === 'principal_changed' && this.#asked.principal !== undefined) {
      this.#user.changedHands(error);
      return void socket.connect();
    }
    if (error.retry === 'new-token' && typeof this.#settings.token === 'function') {
      this.#refusedCode = error.code;
      this.#tryLater(error);
    } else if (error.retry === 'later' || error.retry === 'reconnect') {
      this.#again(error);
    } else {
      this.#stop(error);
    }
  }

  #onDisconnect(socket: Socket, reason: string): void {
    ++this.#connects;
    this.#endRenewal();
    if (this.state.status === 'closed') return;
    const error = this.state.status === 'reconnecting' ? this.state.error : undefined;
    this.#onTheWay(error);
    // The manager does not come back from a close by the server; we do.
    if (!socket.active && reason !== 'io client disconnect') this.#again(error);
  }

  #onEmitted(socket: Socket, name: string, args: readonly unknown[]): void {
    const body = fieldsOf(args[0]);
    if (name === 'resume.done') this.#onCaughtUp(body, optionalString(args[1]));
    else if (name === 'token.expiring') void (this.#isRenewing || this.#renew(performance.now() + (optionalNumber(body.expiresInMs) ?? 0)));
    else if (name === 'token.expired') this.#refusedCode = 'token_expired'; // the close follows, and the next CONNECT has a new token
    else if (name === 'resume.unknown') this.#onUnknown(socket, body);
    else this.#user.emitted(name, args);
  }

  #onCaughtUp(body: Json, place: string | undefined): void {
    const missed = optionalNumber(body.missed) ?? 0;
    this.dedupeWindowMs = optionalNumber(body.dedupeWindowMs) ?? this.dedupeWindowMs;
    this.#user.caughtUp(bounded(place), bounded(optionalString(body.principal)));
    if (this.state.status !== 'live' || missed > 0) this.#setState({ status: 'live', missed });
  }

  // A session that is forgotten costs nothing with a place to go on from, which is told if it is not
  // known itself. Behind an offset that is not known the log has lost something.
  #onUnknown(socket: Socket, { code, to }: Json): void {
    if (typeof to !== 'string') return;
    const { since } = this.#asked;
    if (code === 'since' && !socket.recovered) this.#setState({ status: 'live' }); // no end of a catching up will be told
    const isLost = code === 'since' || code === 'offset' || (code === 'session' && since === undefined);
    if (!isLost || to === this.#lostTo) return; // one gap, also if it is told of the session and of `since`
    this.#lostTo = to;
    this.#user.lost({ ...(since !== undefined && { from: since }), to });
  }

  // No token can be had now: it is asked for again after a pause. Each call that waits has its own deadline.
  #comeLater(error: EventBusError): void {
    this.#drop();
    this.#again(error);
  }

  // A token was refused: a fresh one is asked for after a pause.
  #tryLater(error: EventBusError): void {
    this.#comeLater(error);
    if (++this.#refusals >= kRefusalsMax) this.#user.refused(error);
  }

  #again(error: EventBusError | undefined): void {
    if (this.state.status === 'closed') return;
    this.#onTheWay(error);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#socket?.connect(), this.#backoff.after(error));
  }

  #onTheWay(error?: EventBusError): void {
    this.#setState({ status: this.#wasLive ? 'reconnecting' : 'connecting', ...(error && { error }) });
  }

  #stop(error?: EventBusError): void {
    clearTimeout(this.#retryTimer);
    this.#endRenewal();
    this.#setState({ status: 'closed', ...(error && { error }) }, () => {
      this.#drop();
      if (error !== undefined) this.#user.refused(error);
    });
  }

  // What is told holds: an observer may ask for more at once. `begin` does what belongs to the state.
  #setState(news: ConnectionState, begin?: () => void): void {
    const state = isConnected(news) ? { ...news, transport: this.#transports.describe(this.#socket!.io.engine.transport.name) } : news;
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

// What is kept and shown again may not keep a CONNECT from being taken.
function bounded(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= kKeptCharsMax ? text : undefined;
}

// What engine.io knows of it, in addition to "xhr poll error": an HTTP status, or what the system said.
function reasonOf({ message, description, context }: Error & { description?: unknown; context?: unknown }): string {
  const { statusText } = fieldsOf(context);
  const inner = typeof description === 'number' && description > 0 ? `it answers HTTP ${description}: is the address right?` : messageIn(statusText) ?? messageIn(description);
  return inner === undefined ? message : `${message}, ${inner}`;
}

function messageIn(value: unknown): string | undefined {
  const text = typeof value === 'object' && value !== null && 'message' in value ? value.message : undefined;
  return typeof text === 'string' && text !== '' ? text : undefined;
}

function readAnswer(command: string, answer: unknown): Json | EventBusError {
  const fields = fieldsOf(answer);
  if (fields.ok === true) return fields;
  if (fields.ok === false) return readError(fields.error, `${command} was refused.`);
  return new EventBusError('internal', `The answer to ${command} is no answer of an event bus: is the address right?`);
}

/** `{ code, message, retryAfterMs? }` as the server sends it. */
export function readError(body: unknown, otherwise: string): EventBusError {
  const { code, message, retryAfterMs } = fieldsOf(body);
  return new EventBusError(optionalString(code) ?? 'bad_request', optionalString(message) ?? otherwise, { retryAfterMs: optionalNumber(retryAfterMs) });
}
