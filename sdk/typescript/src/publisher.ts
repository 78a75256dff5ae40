import { Backoff } from './backoff.js';
import type { Connection } from './connection.js';
import { deadlineIn, onceAborted } from './deadline.js';
import { aborted, EventBusError, late, messageOf } from './errors.js';
import type { EventToPublish, Published } from './event.js';
import type { Json } from './guards.js';
import { isObject } from './guards.js';
import type { Settings } from './options.js';
import { kTimeoutMs } from './options.js';
import { inTheWay } from './state.js';
import { kTooLarge } from './why-closed.js';

const kTogetherMax = 256; // events of several calls in one message; the server's events_per_batch_max is 1,000
const kTogetherBytes = 256 * 1024; // of them, so that a message keeps no other waiting for long
const kAttemptMs = 10_000; // an answer that takes longer may have got lost; the same id makes it safe to ask again
const kEnvelopeBytes = 40; // of the packet around it: the type, the number of the call, the command's name
const kRestFirstMs = 100;
const kRestMaxMs = 5_000;

export interface PublishLimits {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

// One call of publish. `json` is what is sent, at every try the same: the same id with other bytes
// would be refused.
interface Request {
  readonly json: string;
  readonly events: number;
  readonly bytes: number; // of UTF-8
  readonly timeoutMs: number;
  tries: number;
  breaks: number; // how often a connection ended for its size, it seems
  isStored: boolean; // an answer said so
  windowTimer: ReturnType<typeof setTimeout> | undefined; // since it was sent first
  readonly resolve: (published: Published[]) => void;
  readonly reject: (error: EventBusError) => void;
}

/** An event as it is sent, at every try with the same id. */
export type Identified = EventToPublish & { readonly id: string };

/** What a publisher needs of the connection. */
export type PublisherConnection = Pick<Connection, 'dedupeWindowMs' | 'isLive' | 'maxPayload' | 'send' | 'state'>;

/**
 * Sends events until they are answered or their deadline passes, and has them stored in the order of the calls. What
 * waits is kept within `queueEventsMax` and `queueBytesMax`; past them a publish is refused (`too_many`).
 *
 * (1) One message is under way at a time, as what is in flight behind a refused one would be stored before it. All
 *     calls that wait go into the next message, which the server takes whole or not at all.
 * (2) A message of several calls that is refused tells of none of them: its first ones are sent again in a smaller one.
 * (3) Whatever was under way before a time-out or a drop may still be stored: it is a beginning of what is sent again,
 *     in the same order, so the first of each id is in order. Its answer counts whenever it comes.
 */
export class Publisher {
  readonly #connection: PublisherConnection;
  readonly #settings: Settings;
  readonly #backoff = new Backoff(kRestFirstMs, kRestMaxMs);
  readonly #queue: Request[] = []; // every request that is not settled; those that are under way come first
  #underWay: readonly Request[] | undefined; // what an answer is waited for
  #restTimer: ReturnType<typeof setTimeout> | undefined;
  #together = kTogetherMax;
  #lastError: EventBusError | undefined; // since something was stored
  #stored = 0;
  #events = 0;
  #bytes = 0;
  #onIdle: (() => void)[] = [];

  constructor(connection: PublisherConnection, settings: Settings) {
    this.#connection = connection;
    this.#settings = settings;
  }

  /** One event, or a list of them. */
  async publish(body: Identified | readonly Identified[], { timeoutMs = this.#settings.timeoutMs, signal }: PublishLimits): Promise<Published[]> {
    const events = Array.isArray(body) ? body.length : 1;
    if (events === 0) return [];
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw aborted(signal);
      const json = toJson(body);
      const bytes = new TextEncoder().encode(json).length;
      this.#reserve(events, bytes);

      const settle = () => {
        clearTimeout(deadline);
        clearTimeout(request.windowTimer);
        offSignal();
        this.#forget(request);
      };
      const request: Request = {
        json,
        events,
        bytes,
        timeoutMs,
        tries: 0,
        breaks: 0,
        isStored: false,
        windowTimer: undefined,
        resolve: (published) => (settle(), resolve(published)),
        reject: (error) => (settle(), reject(error)),
      };
      const offSignal = onceAborted(signal, request.reject);
      const deadline = deadlineIn(timeoutMs, () => request.reject(this.#late(timeoutMs)));

      this.#queue.push(request);
      this.#check(request);
      this.flush();
    });
  }

  /** How many events the server has stored, each once. */
  get stored(): number {
    return this.#stored;
  }

  /** Sends what waits. Called when the connection is live. */
  flush(): void {
    const [first] = this.#queue;
    if (first === undefined || this.#underWay !== undefined || this.#restTimer !== undefined || !this.#connection.isLive) return;
    const isLong = first.timeoutMs > kTimeoutMs && first.timeoutMs < Infinity;
    if (isLong && this.#connection.dedupeWindowMs === undefined) return; // it may be too long: the server says so in a moment
    this.#send(this.#next(Math.min(this.#connection.maxPayload ?? Infinity, kTogetherBytes)));
  }

  /** Rejects what the server cannot take, or no longer knows by its id. Called when it has said something of that. */
  learn(): void {
    for (const request of [...this.#queue]) this.#check(request);
  }

  /** Rejects all that waits, and says how much that was. */
  fail(error: EventBusError): number {
    this.#endRest();
    const waiting = [...this.#queue];
    for (const request of waiting) request.reject(error);
    return waiting.length;
  }

  /** When nothing waits for an answer any more. */
  idle(): Promise<void> {
    return this.#queue.length === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #check(request: Request): void {
    const { bytes, timeoutMs } = request;
    const { dedupeWindowMs = Infinity, maxPayload = Infinity } = this.#connection;
    if (bytes + kEnvelopeBytes > maxPayload) return request.reject(tooLarge(bytes, maxPayload));
    if (timeoutMs > dedupeWindowMs && timeoutMs !== kTimeoutMs && timeoutMs < Infinity && request.tries === 0) return request.reject(tooLong(timeoutMs, dedupeWindowMs));
    if (request.tries > 0) request.windowTimer ??= deadlineIn(dedupeWindowMs, () => request.reject(this.#late(dedupeWindowMs)));
  }

  // The first that wait, as many as may go together: at least one.
  #next(bytesMax: number): Request[] {
    let bytes = kEnvelopeBytes;
    let events = 0;
    const end = this.#queue.findIndex((request) => (events += request.events) > this.#together || (bytes += request.bytes + 1) > bytesMax);
    return this.#queue.slice(0, end < 0 ? undefined : Math.max(end, 1));
  }

  #send(requests: readonly Request[]): void {
    this.#underWay = requests;
    for (const request of requests) {
      ++request.tries;
      this.#check(request);
    }
    const bodies = requests.map(({ json }) => JSON.parse(json) as unknown);
    this.#connection.send('publish', [bodies.length === 1 ? bodies[0] : bodies.flat()], kAttemptMs, (answer) => {
      const isLate = this.#underWay !== requests;
      const others = isLate ? this.#underWay : undefined;
      this.#underWay = requests; // so that nothing is sent before all are settled
      if (!(answer instanceof EventBusError)) this.#onAnswer(requests, readPublished(answer));
      else this.#onFailure(requests, answer, isLate);
      // A copy of what is settled now is waited for no longer.
      this.#underWay = others?.some((request) => this.#queue.includes(request)) ? others : undefined;
      this.flush();
    });
  }

  #onAnswer(requests: readonly Request[], published: readonly Published[]): void {
    const count = eventsOf(requests);
    this.#passed();
    let at = 0;
    for (const request of requests) {
      const own = published.slice(at, (at += request.events));
      // Of a first try it was stored before; of another one its own first try may have done so.
      if (!request.isStored) this.#stored += own.filter(({ duplicate }) => !duplicate || request.tries > 1).length;
      request.isStored = true;
      if (published.length === count) request.resolve(own);
      else request.reject(new EventBusError('internal', `The event bus answered ${published.length} of ${count} events.`));
    }
  }

  #onFailure(requests: readonly Request[], error: EventBusError, isLate: boolean): void {
    // An expired token is renewed with the next connection, for which the server closes this one.
    const mayPass = error.retry === 'later' || error.code === 'token_expired';
    if (!mayPass && requests.length === 1) {
      this.#passed();
      return requests[0]!.reject(error);
    }
    if (isLate) return; // it is sent again
    this.#lastError = error;
    const [first] = requests;
    // Once it may have been for what came down.
    if (requests.length === 1 && error.cause instanceof EventBusError && error.cause.message.includes(kTooLarge) && ++first!.breaks > 1) {
      return first!.reject(new EventBusError('too_large', error.cause.message, { cause: error }));
    }
    // Together they may be more than a proxy takes, which breaks the connection.
    // What is wrong with one of them must not keep those before it.
    this.#together = mayPass ? 1 : Math.ceil(eventsOf(requests) / 2);
    if (!this.#connection.isLive) return; // `flush` comes with the connection
    if (mayPass) this.#restTimer = setTimeout(() => (this.#endRest(), this.flush()), this.#backoff.after(error));
  }

  #passed(): void {
    this.#backoff.reset();
    this.#lastError = undefined;
    this.#together = Math.min(this.#together * 2, kTogetherMax);
  }

  #endRest(): void {
    clearTimeout(this.#restTimer);
    this.#restTimer = undefined;
  }

  #reserve(events: number, bytes: number): void {
    const { queueEventsMax, queueBytesMax } = this.#settings;
    if (this.#events + events > queueEventsMax || this.#bytes + bytes > queueBytesMax) {
      const fits = events <= queueEventsMax && bytes <= queueBytesMax; // into an empty queue
      const fix = fits ? 'await publishes' : 'publish less at once';
      throw new EventBusError(
        fits ? 'too_many' : 'too_large',
        `${events} events of ${bytes} bytes, with those that wait, exceed queueEventsMax (${queueEventsMax}) or queueBytesMax (${queueBytesMax}): ${fix}, or raise these.`,
        { retryAfterMs: fits ? 1_000 : undefined },
      );
    }
    this.#events += events;
    this.#bytes += bytes;
  }

  #forget(request: Request): void {
    const at = this.#queue.indexOf(request);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    this.#events -= request.events;
    this.#bytes -= request.bytes;
    if (at === 0 && this.#restTimer !== undefined) {
      this.#endRest(); // it was for this one that the others rested
      this.flush();
    }
    if (this.#queue.length > 0) return;
    for (const tell of this.#onIdle.splice(0)) tell();
  }

  #late(timeoutMs: number): EventBusError {
    return late('The event was not acknowledged', timeoutMs, this.#lastError ?? inTheWay(this.#connection.state));
  }
}

function tooLarge(bytes: number, maxPayload: number): EventBusError {
  return new EventBusError('too_large', `The event has ${bytes} bytes, and the server takes ${maxPayload}: publish where its data is, or raise message_bytes_max.`);
}

function tooLong(timeoutMs: number, windowMs: number): EventBusError {
  return new EventBusError('bad_request', `A timeoutMs of ${timeoutMs} exceeds the server's dedupe_window, ${windowMs} ms: sent again later, an event would be stored twice. Give less.`);
}

function eventsOf(requests: readonly Request[]): number {
  return requests.reduce((sum, { events }) => sum + events, 0);
}

function toJson(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw new EventBusError('bad_event', `The event is no JSON: ${messageOf(cause)}.`, { cause });
  }
}

// The answer for one event says of it what that for a list says of each.
function readPublished(answer: Json): Published[] {
  const events: unknown[] = Array.isArray(answer.events) ? answer.events : [answer];
  return events.filter(isPublished).map(({ id, offset, duplicate, unowned }) => ({ id, offset, duplicate, ...(unowned === true && { unowned }) }));
}

function isPublished(value: unknown): value is Published & Json {
  return isObject(value) && typeof value.id === 'string' && typeof value.offset === 'string' && typeof value.duplicate === 'boolean';
}
