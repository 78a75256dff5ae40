import { Backoff } from './backoff.js';
import type { Connection } from './connection.js';
import { deadlineIn } from './deadline.js';
import { asEventBusError, EventBusError, messageOf } from './errors.js';
import type { EventToPublish, Published } from './event.js';
import type { Json } from './guards.js';
import { isObject } from './guards.js';
import type { Settings } from './options.js';
import { uuid } from './uuid.js';

const kInFlightMax = 128; // requests at once; the server's group commit needs no more to be busy
const kAttemptMs = 10_000; // an answer that takes longer has got lost; the same id makes it safe to ask again
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
  readonly order: number;
  readonly json: string;
  readonly ids: readonly string[];
  readonly events: number;
  readonly bytes: number; // of UTF-8
  readonly backoff: Backoff;
  readonly resolve: (answer: Json) => void;
  readonly reject: (error: EventBusError) => void;
  isSettled: boolean;
  lastError: EventBusError | undefined;
  restTimer: ReturnType<typeof setTimeout> | undefined;
}

/** What a publisher needs of the connection. */
export type PublisherConnection = Pick<Connection, 'isLive' | 'maxPayload' | 'request' | 'state'>;

/**
 * Sends events until they are answered or their deadline passes. What waits is kept in the order of
 * the calls, within `queueEventsMax` and `queueBytesMax`; past them a publish is refused (`too_many`).
 */
export class Publisher {
  readonly #connection: PublisherConnection;
  readonly #settings: Settings;
  readonly #pending = new Set<Request>(); // every request that is not settled
  readonly #waiting: Request[] = []; // those of them to be sent, by order
  #inFlight = 0;
  #events = 0;
  #bytes = 0;
  #order = 0;
  #onIdle: (() => void)[] = [];

  constructor(connection: PublisherConnection, settings: Settings) {
    this.#connection = connection;
    this.#settings = settings;
  }

  async publish(event: EventToPublish, limits: PublishLimits): Promise<Published> {
    const body = withId(event);
    const answer = await this.#request(body, [body.id], limits);
    if (isPublished(answer)) return toPublished(answer);
    throw new EventBusError('internal', 'The answer to publish lacks id, offset or duplicate.');
  }

  async publishAll(events: readonly EventToPublish[], limits: PublishLimits): Promise<Published[]> {
    if (events.length === 0) return [];
    const bodies = events.map(withId);
    const answer = await this.#request(bodies, bodies.map(({ id }) => id), limits);
    const published = Array.isArray(answer.events) ? answer.events.filter(isPublished).map(toPublished) : [];
    if (published.length === events.length) return published;
    throw new EventBusError('internal', `The event bus answered ${published.length} of ${events.length} events.`);
  }

  /** Sends what waits. Called when the connection is live. */
  flush(): void {
    while (this.#inFlight < kInFlightMax && this.#connection.isLive) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const { maxPayload = Infinity } = this.#connection;
      if (next.bytes + kEnvelopeBytes <= maxPayload) void this.#send(next);
      else next.reject(new EventBusError('too_large', `The event has ${next.bytes} bytes, and the server takes messages of ${maxPayload}: keep large data elsewhere and publish where it is, or raise the server's message_bytes_max.`));
    }
  }

  /** Rejects all that waits, and says how much that was. */
  fail(error: EventBusError): number {
    const waiting = [...this.#pending];
    for (const request of waiting) request.reject(error);
    return waiting.length;
  }

  /** When nothing waits for an answer any more. */
  idle(): Promise<void> {
    return this.#pending.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #request(body: unknown, ids: readonly string[], { timeoutMs = this.#settings.timeoutMs, signal }: PublishLimits): Promise<Json> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw aborted(signal);
      const events = ids.length;
      const json = toJson(body);
      const bytes = new TextEncoder().encode(json).length;
      this.#reserve(events, bytes);

      const settle = () => {
        request.isSettled = true;
        clearTimeout(deadline);
        clearTimeout(request.restTimer);
        signal?.removeEventListener('abort', onAbort);
        this.#forget(request);
      };
      const request: Request = {
        order: this.#order++,
        json,
        ids,
        events,
        bytes,
        backoff: new Backoff(kRestFirstMs, kRestMaxMs),
        resolve: (answer) => (settle(), resolve(answer)),
        reject: (error) => (settle(), reject(error.of(ids))),
        isSettled: false,
        lastError: undefined,
        restTimer: undefined,
      };
      const onAbort = () => request.reject(aborted(signal));
      const deadline = deadlineIn(timeoutMs, () => request.reject(this.#late(request, timeoutMs)));
      signal?.addEventListener('abort', onAbort, { once: true });

      this.#pending.add(request);
      this.#waiting.push(request);
      this.flush();
    });
  }

  async #send(request: Request): Promise<void> {
    ++this.#inFlight;
    try {
      const answer = await this.#connection.request('publish', [JSON.parse(request.json)], kAttemptMs);
      if (!request.isSettled) request.resolve(answer);
    } catch (thrown) {
      this.#onFailure(request, asEventBusError(thrown, 'internal'));
    } finally {
      --this.#inFlight;
      this.flush();
    }
  }

  #onFailure(request: Request, error: EventBusError): void {
    if (request.isSettled) return;
    request.lastError = error;
    // An expired token is renewed with the next connection, for which the server closes this one.
    if (error.retry !== 'later' && error.code !== 'token_expired') return request.reject(error);
    if (!this.#connection.isLive) return this.#putBack(request); // `flush` comes with the connection
    const restMs = error.retryAfterMs ?? request.backoff.nextMs();
    request.restTimer = setTimeout(() => {
      this.#putBack(request);
      this.flush();
    }, restMs);
  }

  #putBack(request: Request): void {
    const at = this.#waiting.findIndex((other) => other.order > request.order);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, request);
  }

  #reserve(events: number, bytes: number): void {
    const { queueEventsMax, queueBytesMax } = this.#settings;
    if (events > queueEventsMax || bytes > queueBytesMax) {
      throw new EventBusError('too_large', `A publish of ${events} events and ${bytes} bytes is larger than the queue (queueEventsMax ${queueEventsMax}, queueBytesMax ${queueBytesMax}): publish less at once, or raise these.`);
    }
    if (this.#events + events > queueEventsMax) {
      throw new EventBusError('too_many', `${this.#events} events wait for an answer and ${queueEventsMax} may: await publishes, or raise queueEventsMax.`, { retryAfterMs: 1_000 });
    }
    if (this.#bytes + bytes > queueBytesMax) {
      throw new EventBusError('too_many', `${this.#bytes} bytes of events wait for an answer and ${queueBytesMax} may: await publishes, or raise queueBytesMax.`, { retryAfterMs: 1_000 });
    }
    this.#events += events;
    this.#bytes += bytes;
  }

  #forget(request: Request): void {
    if (!this.#pending.delete(request)) return;
    const at = this.#waiting.indexOf(request);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#events -= request.events;
    this.#bytes -= request.bytes;
    if (this.#pending.size > 0) return;
    for (const tell of this.#onIdle.splice(0)) tell();
  }

  #late(request: Request, timeoutMs: number): EventBusError {
    const cause = request.lastError ?? this.#connection.state.error;
    return new EventBusError('timeout', `The event was not acknowledged within ${timeoutMs} ms${cause ? `: ${cause.message}` : '.'}`, { cause });
  }
}

function withId(event: EventToPublish): EventToPublish & { readonly id: string } {
  return { ...event, id: event.id ?? uuid() };
}

function toJson(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw new EventBusError('bad_event', `The event is no JSON: ${messageOf(cause)}.`, { cause });
  }
}

function isPublished(value: unknown): value is Published & Json {
  return isObject(value) && typeof value.id === 'string' && typeof value.offset === 'string' && typeof value.duplicate === 'boolean';
}

function toPublished({ id, offset, duplicate, unowned }: Published): Published {
  return { id, offset, duplicate, ...(unowned === true && { unowned }) };
}

function aborted(signal: AbortSignal | undefined): EventBusError {
  return new EventBusError('aborted', 'The signal was aborted.', { cause: signal?.reason });
}
