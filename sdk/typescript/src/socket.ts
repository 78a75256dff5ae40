import type { Socket as Engine } from 'engine.io-client';

import { afterGoodbye } from './after-goodbye.js';
import type { Json } from './guards.js';
import { fieldsOf, isObject, keptString, optionalString } from './guards.js';
import { kNoBus, whyClosed } from './why-closed.js';

/** What a server that keeps sessions over a drop knows a client by. */
export interface Session {
  pid?: string | undefined;
  /** The last string that an event ended with, whatever session that was of. */
  offset?: string | undefined;
}

/** Who uses a socket. After `refused` or `closed`, and after its own `close()`, it hears only how its commands ended. */
export interface SocketUser {
  connected(): void;
  refused(message: string, data: unknown): void;
  emitted(name: string, args: readonly unknown[]): void;
  /** Another transport has taken over. */
  upgraded(): void;
  closed(why: string, cause: unknown): void;
}

/** Called with the answer, or with why there is none; after `timeout` again, if an answer comes late. */
export type OnAnswer = (missing: 'timeout' | 'closed' | undefined, answer?: unknown) => void;

interface Waiting {
  timer?: ReturnType<typeof setTimeout> | undefined; // undefined: its time is over
  readonly chars: number;
  readonly onAnswer: OnAnswer;
}

/** What any link carries: behind more than that an answer is not late. Buffers of the system hide what is still on its way. */
export const kCharsPerMs = 8;

/**
 * The main namespace on one open Engine.IO connection, in JSON: protocol 5 of Socket.IO
 * (https://socket.io/docs/v4/socket-io-protocol/), whose sections the comments name. It ends with that connection.
 *
 * (1) Nothing but CONNECT is sent before CONNECT has been answered.
 * (2) What is malformed, binary, or of another namespace ends it.
 */
export class Socket {
  isConnected = false;
  recovered = false; // the session is the one that was asked for
  readonly #engine: Engine;
  readonly #session: Session;
  readonly #user: SocketUser;
  readonly #waiting = new Map<number, Waiting>();
  #unanswered = 0; // characters of what waits
  #isOver = false;
  #asked: string | undefined; // the session that CONNECT asked for
  #connectTimer: ReturnType<typeof setTimeout> | undefined;
  #sent = 0;

  /** `maxPayload`: what the server takes as one message, in bytes. `session` is kept up to date. */
  constructor(
    engine: Engine,
    readonly maxPayload: number | undefined,
    session: Session,
    user: SocketUser,
  ) {
    this.#engine = engine;
    this.#session = session;
    this.#user = user;
    engine.on('data', (data) => this.#onData(data));
    engine.on('upgrade', () => this.isConnected && user.upgraded());
    engine.on('close', (reason, details) => this.#fail(whyClosed(reason, details), details));
  }

  get transport(): string {
    return this.#engine.transport.name;
  }

  /** Signs in ("Connection to a namespace"), to the session that is known unless `isAnew`. */
  connect(auth: Json, isAnew: boolean, timeoutMs: number): void {
    if (this.#isOver) return;
    const { pid, offset } = this.#session;
    this.#asked = isAnew ? undefined : pid;
    this.#connectTimer = setTimeout(() => this.#fail(`no answer came within ${timeoutMs} ms`), timeoutMs);
    this.#engine.write(`0${JSON.stringify(this.#asked === undefined ? auth : { pid, offset, ...auth })}`);
  }

  /** Sends an event that is to be answered ("Acknowledgement"). Only while it is connected. */
  send(name: string, args: readonly unknown[], timeoutMs: number, onAnswer: OnAnswer): void {
    const id = this.#sent++;
    const packet = `2${id}${JSON.stringify([name, ...args])}`;
    const waiting: Waiting = { onAnswer, chars: packet.length };
    this.#waiting.set(id, waiting);
    this.#unanswered += waiting.chars;
    const wait = (ms: number) => {
      waiting.timer = setTimeout(() => {
        if (this.#isSending) return wait(timeoutMs);
        waiting.timer = undefined;
        onAnswer('timeout');
      }, ms);
    };
    wait(timeoutMs + this.#unanswered / kCharsPerMs);
    this.#engine.write(packet);
  }

  /** Leaves ("Disconnection from a namespace"): the server need not keep the session. */
  close(): void {
    if (this.isConnected) this.#engine.write('1');
    this.#end(() => {});
  }

  // The transport holds what it has not got rid of: of a WebSocket engine.io-client does not know.
  get #isSending(): boolean {
    const { writeBuffer, transport } = this.#engine;
    return writeBuffer.length > 0 || ((transport as { ws?: { bufferedAmount?: number } }).ws?.bufferedAmount ?? 0) > 0;
  }

  #onData(data: unknown): void {
    if (!this.#isOver && !this.#take(parse(data))) this.#fail(kNoBus);
  }

  /** Whether it is a packet that may come now. */
  #take({ type, id, payload }: Packet): boolean {
    if (type === '1') return this.#fail('the server ended it'), true;
    if (!this.isConnected) return this.#takeFirst(type, payload);
    if (!Array.isArray(payload)) return false;
    if (type === '2') return typeof payload[0] === 'string' && this.#onEvent(payload[0], payload.slice(1));
    return type === '3' && this.#settle(id, payload[0]);
  }

  // The answer to CONNECT.
  #takeFirst(type: string | undefined, payload: unknown): boolean {
    const { sid, pid, message, data } = fieldsOf(payload);
    if (this.#connectTimer === undefined || !isObject(payload)) return false;
    if (type === '4') return this.#end(() => this.#user.refused(optionalString(message) ?? 'It does not say why.', data)), true;
    if (type !== '0' || typeof sid !== 'string') return false;
    clearTimeout(this.#connectTimer);
    this.isConnected = true;
    this.#session.pid = keptString(pid);
    this.recovered = pid !== undefined && pid === this.#asked;
    this.#user.connected();
    return true;
  }

  // ("Sending and receiving data"). The place is that of an event which has been handled.
  #onEvent(name: string, args: readonly unknown[]): true {
    this.#user.emitted(name, args);
    if (this.#session.pid !== undefined) this.#session.offset = keptString(args.at(-1)) ?? this.#session.offset;
    return true;
  }

  // An answer that comes again is none.
  #settle(id: number, answer: unknown): true {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return true;
    this.#waiting.delete(id);
    this.#unanswered -= waiting.chars;
    clearTimeout(waiting.timer);
    waiting.onAnswer(undefined, answer);
    return true;
  }

  #fail(why: string, cause?: unknown): void {
    this.#end(() => this.#user.closed(why, cause));
  }

  // What waits for an answer is told last: by then its user knows.
  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.isConnected = false;
    clearTimeout(this.#connectTimer);
    this.#engine.close();
    afterGoodbye(() => this.#engine.transport.close()); // a request that nobody answers keeps it open
    tell();
    for (const { timer, onAnswer } of this.#waiting.values()) {
      if (timer === undefined) continue; // it knows
      clearTimeout(timer);
      onAnswer('closed');
    }
  }
}

interface Packet {
  readonly type?: string | undefined;
  readonly id: number;
  readonly payload?: unknown;
}

// ("Packet encoding"): type, id, JSON. A number of attachments or a namespace would stand before the id.
function parse(data: unknown): Packet {
  const [, type, id, json] = (typeof data === 'string' && /^([0-4])(\d*)(.*)$/s.exec(data)) || [];
  try {
    return { type, id: Number(id || NaN), payload: json && JSON.parse(json) };
  } catch {
    return { id: NaN };
  }
}
