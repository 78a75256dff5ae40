import { checkedOptions, checkEvent, checkHandler, checkTopic } from './arguments.js';
import { onceAborted } from './deadline.js';
import type { EngineUser } from './engine.js';
import { Engine } from './engine.js';
import type { EventBusError } from './errors.js';
import { asEventBusError, clientClosed } from './errors.js';
import { EventStream } from './event-stream.js';
import type { AnyEvent, EventOf, EventToPublish, KnownTopic, Published, Subject, UntypedEvents } from './event.js';
import { optionalString } from './guards.js';
import type { DeliveryContext, UntypedHandler } from './handler.js';
import { handlerFailed } from './handler.js';
import { Handling } from './handling.js';
import type { Logger } from './logger.js';
import { Observers } from './observers.js';
import type { EventBusOptions } from './options.js';
import { kTimeoutMs, loggerOf, resumeKeyOf, settle } from './options.js';
import { claimEntry, releaseEntry } from './place-store.js';
import type { PublishLimits } from './publisher.js';
import { endBy } from './runtime.js';
import type { ConnectionState, Gap } from './state.js';
import type { Stats } from './stats.js';
import { noStats } from './stats.js';
import type { SubscribeOptions, Subscription } from './subscriptions.js';
import { uuid } from './uuid.js';

const kDrainMs = 5_000;

/**
 * What is called with an event. For a group's event it resolves when the work is done (the event is
 * acknowledged), or rejects (it is given out again); `delivery` then says which try it is.
 */
export type Handler<Event> = (event: Event, delivery: DeliveryContext | undefined) => unknown;

export interface PublishOptions extends PublishLimits {
  /** Makes publishing twice the same as once. Default: a random UUID. */
  readonly id?: string | undefined;
  /** What the event is about, where the catalog does not make it of the data. */
  readonly subject?: string | undefined;
  /** Who says so, where it is not the principal of the token. */
  readonly source?: string | undefined;
  /** When it happened, RFC 3339. Default: now, by the server's clock. */
  readonly time?: string | undefined;
  readonly traceparent?: string | undefined;
}

export interface OnOptions {
  /** Aborted: the handler is taken off. */
  readonly signal?: AbortSignal | undefined;
}

export type EventsOptions = Omit<SubscribeOptions, 'concurrency' | 'onEnd'>;

/**
 * A connection to the event bus. It connects at the first call that needs it, comes back by itself
 * after drops, and goes on where it was. One per process or page is enough.
 *
 * @typeParam Events - from event type to data, so that handlers and `publish` are checked:
 * ```ts
 * interface PhotoEvents {
 *   'photo.uploaded': { photoId: string; userId: string; filename: string };
 *   'photo.processing.completed': { photoId: string; thumbnails: string[] };
 * }
 * const bus = createEventBus<PhotoEvents>({ url, token });
 * ```
 * A client of many types goes where one of fewer, or a plain `EventBus`, is asked for.
 */
// `out` says so, and is checked: `Own` is nothing but `Events`. In an overload, type parameters of a call do not count.
export class EventBus<out Events extends object = UntypedEvents> {
  readonly #options: EventBusOptions;
  readonly #entry: string | undefined;
  readonly #logger: Logger;
  readonly #errors = new Observers<EventBusError>((thrown) => this.#logger.error('eventbus: an onError handler failed', thrown));
  readonly #gaps = new Observers<Gap>((thrown) => this.#report(handlerFailed('onGap', thrown)));
  readonly #states = new Observers<ConnectionState>((thrown) => this.#report(handlerFailed('onState', thrown)));
  #engine: Engine | undefined;
  readonly #streams = new Set<{ end(): void }>();
  #isClosed = false;

  /** Use `createEventBus`. */
  constructor(options: EventBusOptions = {}) {
    this.#options = checkedOptions(options);
    this.#entry = claimEntry(resumeKeyOf(this.#options));
    this.#logger = loggerOf(this.#options.logger);
  }

  /**
   * Publishes an event. Resolves when it is stored; until then it is sent again, with the same id, over
   * drops and restarts, up to `timeoutMs`.
   *
   * @example
   * ```ts
   * await bus.publish('photo.uploaded', { photoId: '123', userId: 'user-456', filename: 'vacation.jpg' });
   * ```
   */
  publish<Type extends keyof Events & string>(type: Type, data: Events[Type], options?: PublishOptions): Promise<Published>;

  /**
   * Publishes several events, in their order: all of them, or none.
   *
   * @example
   * ```ts
   * await bus.publish([
   *   { type: 'photo.uploaded', data: { photoId: '1', userId: 'u', filename: 'a.jpg' } },
   *   { type: 'photo.uploaded', data: { photoId: '2', userId: 'u', filename: 'b.jpg' } },
   * ]);
   * ```
   */
  publish<Own extends Events = Events>(events: readonly EventsToPublish<NotInferred<Own>>[], options?: PublishLimits): Promise<Published[]>;

  async publish(first: string | readonly EventToPublish[], second?: unknown, third?: PublishOptions): Promise<Published | Published[]> {
    const isList = Array.isArray(first);
    const options = (isList ? second : third) as PublishOptions | undefined;
    const { timeoutMs, signal, ...attributes } = options ?? {};
    const given = (isList ? first : [{ type: first, data: second, ...attributes }]) as readonly EventToPublish[];
    const events = given.map((event) => ({ ...event, id: event?.id ?? uuid() }));
    try {
      given.forEach((event, at) => checkEvent(event, isList ? `events[${at}]` : 'event'));
      checkedOptions(options);
      // What a handler that is still at work publishes belongs to its work.
      const { publisher } = this.#engine?.isHandling ? this.#engine : this.#open();
      const published = await publisher.publish(isList ? events : events[0]!, { timeoutMs, signal });
      return isList ? published : published[0]!;
    } catch (thrown) {
      throw asEventBusError(thrown).about({ ids: events.map(({ id }) => id) });
    }
  }

  /**
   * Calls `handler` with the events about a subject, such as `photo:123`. Resolves when the server has confirmed it,
   * rejects with an `EventBusError` when it refuses. Holds over reconnects.
   *
   * @example
   * ```ts
   * const watch = await bus.subscribe('photo:123', (event) => {
   *   if (event.type === 'photo.processing.completed') showThumbnails(event.data.thumbnails);
   * });
   * await watch.unsubscribe();
   * ```
   */
  subscribe<Own extends Events = Events>(subject: Subject, handler: Handler<AnyEvent<Own>>, options?: SubscribeOptions): Promise<Subscription>;

  /**
   * Calls `handler` with the events that a type pattern covers: `photo.uploaded`; `photo.*` for one segment; `photo.**`
   * for any. A service's is by default a consumer group named after the service: each event goes to one of its processes.
   *
   * @example
   * ```ts
   * await bus.subscribe('photo.uploaded', async (event) => {
   *   await startPhotoProcessing(event.photoId); // resolved: acknowledged; rejected: given out again
   * });
   * ```
   */
  subscribe<const Topic extends string, Own extends Events = Events>(topic: KnownTopic<Own, Topic>, handler: Handler<EventOf<Own, Topic>>, options?: SubscribeOptions): Promise<Subscription>;

  subscribe(topic: string, handler: Handler<never>, options?: SubscribeOptions): Promise<Subscription> {
    return this.#subscribe(topic, handler, options);
  }

  /**
   * Calls `handler` with what arrives without being asked for: the events for this user, their roles
   * and everyone. Asks the server for nothing. Returns the function that takes the handler off, as an aborted `signal` does.
   *
   * @example
   * ```ts
   * const off = bus.on('photo.uploaded', (event) => addPhoto(event.photoId));
   * off();
   * ```
   */
  on<Own extends Events = Events>(subject: Subject, handler: Handler<AnyEvent<Own>>, options?: OnOptions): () => void;

  /** The same of the types that a pattern covers. */
  on<const Topic extends string, Own extends Events = Events>(topic: KnownTopic<Own, Topic>, handler: Handler<EventOf<Own, Topic>>, options?: OnOptions): () => void;

  on(topic: string, handler: Handler<never>, options?: OnOptions): () => void {
    checkTopic(topic);
    checkHandler(handler);
    const { signal } = checkedOptions(options);
    if (signal?.aborted) return () => {};
    const takeOff = this.#open().subscriptions.listen(topic, handler as UntypedHandler);
    const offSignal = onceAborted(signal, takeOff);
    return () => {
      offSignal();
      takeOff();
    };
  }

  /**
   * The events of a topic for a `for await` loop, one after the other: a slow loop holds them up, and loses none that is
   * durable. Leaving the loop unsubscribes. It throws what `subscribe` rejects with, or the end of the watch; `close()`
   * ends it. A group's event is acknowledged when the loop comes back for the next, and given out again if it is left.
   *
   * @example
   * ```ts
   * for await (const event of bus.events('photo:123')) {
   *   await update(event);
   *   if (event.type === 'photo.deleted') break;
   * }
   * ```
   */
  events<Own extends Events = Events>(subject: Subject, options?: EventsOptions): AsyncIterableIterator<AnyEvent<Own>>;

  /** The same of the types that a pattern covers. */
  events<const Topic extends string, Own extends Events = Events>(topic: KnownTopic<Own, Topic>, options?: EventsOptions): AsyncIterableIterator<EventOf<Own, Topic>>;

  events(topic: string, options?: EventsOptions): AsyncIterableIterator<never> {
    const wasClosed = this.#isClosed;
    let offSignal = () => {};
    const stream = new EventStream<never>(() => {
      this.#streams.delete(stream);
      void subscription.then((confirmed) => (offSignal(), confirmed.unsubscribe()), () => {});
    });
    this.#streams.add(stream);
    // Nothing waits at the end for the body of a loop, which may be what calls close(); but for a group's event.
    const subscription = this.#subscribe(topic, stream.offer, options, { concurrency: 1, onEnd: (error) => stream.end(error) }, new Handling());
    subscription
      .then(() => (offSignal = onceAborted(options?.signal, (error) => stream.end(error))))
      .catch((error: EventBusError) => stream.end(error.code === 'closed' && !wasClosed ? undefined : error));
    return stream;
  }

  /**
   * Connects now. Without it the first call that needs the connection does so, and a call after `disconnect()`.
   *
   * @example
   * ```ts
   * bus.on('photo.uploaded', (event) => addPhoto(event.photoId));
   * bus.connect(); // every handler is there: what a page missed while it was loaded again goes to them
   * ```
   */
  connect(): void {
    this.#use().connect();
  }

  /**
   * Connects, and resolves when the client is `live` and has caught up. Rejects when the server will not have it, with
   * `timeout` after `timeoutMs` (default: the client's), or with `aborted`.
   *
   * @example
   * ```ts
   * await bus.ready({ timeoutMs: 5_000 });
   * ```
   */
  async ready(options?: PublishLimits): Promise<void> {
    const { timeoutMs = this.#options.timeoutMs ?? kTimeoutMs, signal } = checkedOptions(options);
    await this.#use().ready(timeoutMs, signal);
  }

  /**
   * Ends the connection, and keeps handlers and places: `connect()` goes on with them, if the same user signs in. For
   * another one what was subscribed ends with `principal_changed`.
   *
   * @example
   * ```ts
   * await fetch('/sign-out', { method: 'POST' });
   * bus.disconnect();
   * ```
   */
  disconnect(): void {
    this.#engine?.disconnect();
  }

  /**
   * Connects anew, with a new token: for a user whose rights have changed. What was subscribed goes on.
   *
   * @example
   * ```ts
   * bus.reconnect();
   * ```
   */
  reconnect(): void {
    this.#use().reconnect();
  }

  /** What the connection is doing now. */
  get state(): ConnectionState {
    return this.#engine?.state ?? { status: this.#isClosed ? 'closed' : 'idle' };
  }

  /**
   * What this client has done since it was first used, for metrics and for who looks after it.
   *
   * @example
   * ```ts
   * const { sent, received, repeats, reconnects, roundTripMs } = bus.stats();
   * log.info({ sent, received, repeats, reconnects, roundTripMs });
   * ```
   */
  stats(): Stats {
    return this.#engine?.stats ?? noStats;
  }

  /**
   * Tells `handler` the state now and at every change. Returns the function that takes it off.
   *
   * @example
   * ```ts
   * bus.onState(({ status, missed }) => {
   *   badge.textContent = missed ? `live, caught up after ${missed} events` : status;
   * });
   * ```
   */
  onState(handler: (state: ConnectionState) => unknown): () => void {
    const off = this.#states.add(handler);
    void this.#states.tellOne(handler, this.state);
    return off;
  }

  /**
   * Durable events that this client has not seen may be no longer kept, or the server's log has been
   * replaced; what they said has to be fetched another way.
   *
   * @example
   * ```ts
   * bus.onGap(() => reloadPhotos());
   * ```
   */
  onGap(handler: (gap: Gap) => unknown): () => void {
    return this.#gaps.add(handler);
  }

  /**
   * Errors that no promise tells: a handler that failed, a watch that the server ended, the end of a
   * connection on which something was subscribed (a token that was refused). Without a handler they go
   * to the `logger`; at such an end, where `onState` hears nothing either, Node exits with 1.
   *
   * @example
   * ```ts
   * bus.onError((error) => log.warn(error.code, error.message));
   * ```
   */
  onError(handler: (error: EventBusError) => unknown): () => void {
    return this.#errors.add(handler);
  }

  /**
   * Ends the connection. Waits at most `drainMs` (default 5 000) for the groups' events that are being
   * handled, and for the answers to what was published, by those handlers too. Every other call is
   * refused with `closed` from now on. A second `close({ drainMs: 0 })` waits no longer. Within a handler it does not
   * wait for that handler.
   *
   * @example
   * ```ts
   * process.on('SIGTERM', () => bus.close());
   * ```
   */
  async close(options?: { readonly drainMs?: number }): Promise<void> {
    const { drainMs = kDrainMs } = checkedOptions(options);
    const isFirst = !this.#isClosed;
    this.#isClosed = true;
    if (this.#engine !== undefined) return this.#engine.close(drainMs);
    releaseEntry(this.#entry);
    if (isFirst) this.#states.tell({ status: 'closed' });
  }

  // `own`: what is as this client has it, whatever the application says.
  async #subscribe(topic: string, handler: Handler<never>, options: SubscribeOptions | undefined, own: SubscribeOptions = {}, handling?: Handling): Promise<Subscription> {
    try {
      checkTopic(topic);
      checkHandler(handler);
      const wanted = { ...checkedOptions(options), ...own };
      return await this.#open().subscriptions.subscribe(topic, handler as UntypedHandler, wanted, handling);
    } catch (thrown) {
      throw asEventBusError(thrown).about({ topic: optionalString(topic) });
    }
  }

  #use(): Engine {
    if (this.#isClosed) throw clientClosed();
    return (this.#engine ??= new Engine(settle(this.#options), this.#entry, this.#engineUser()));
  }

  #open(): Engine {
    const engine = this.#use();
    engine.open();
    return engine;
  }

  #engineUser(): EngineUser {
    return {
      state: (state) => {
        this.#logger.debug?.(`eventbus: ${state.status}`, state);
        this.#states.tell(state);
      },
      isStateHeard: () => this.#states.size > 0,
      gap: (gap) => {
        if (this.#gaps.size > 0) return this.#gaps.tell(gap);
        const where = gap.from === undefined ? `before ${gap.to}` : `between ${gap.from} and ${gap.to}`;
        this.#logger.warn(`eventbus: events ${where} were missed and are not kept any more; onGap() hears of it.`);
      },
      error: (error) => this.#report(error),
      closed: () => this.#streams.forEach((stream) => stream.end()),
      ended: (address, error, isWaiting) => this.#ended(address, error, isWaiting),
    };
  }

  // No promise has told it, or handlers wait for events that will not come.
  #ended(address: string, error: EventBusError, isWaiting: boolean): void {
    if (this.#errors.size > 0) return this.#errors.tell(error);
    if (this.#states.size > 0) return; // they have been told
    this.#logger.error(
      `eventbus: the connection to ${address} has ended${isWaiting ? ', and what was subscribed hears nothing more' : ''}: ${error.message} (${error.code}) A function as \`token\` gives new ones; onError() hears of it.`,
    );
    if (isWaiting) endBy(error); // a service that would do nothing from here on is started again
  }

  #report(error: EventBusError): void {
    if (this.#errors.size > 0) this.#errors.tell(error);
    else this.#logger.error('eventbus:', error);
  }
}

/** As TypeScript's `NoInfer` of 5.4: the events of a batch do not widen what its client knows of. */
type NotInferred<Type> = [Type][Type extends unknown ? 0 : never];

/** One element of a batch, its data checked by its type. */
export type EventsToPublish<Events extends object> = {
  [Type in keyof Events & string]: EventToPublish<Type, Events[Type]>;
}[keyof Events & string];

/**
 * Makes a client. It connects when it is first used.
 *
 * @example
 * ```ts
 * const bus = createEventBus({
 *   url: 'https://events.photo-platform.com',
 *   token: async () => {
 *     const response = await fetch('/api/event-token'); // asked at every connect, and before the last one ends
 *     if (!response.ok) throw new Error(`/api/event-token answered ${response.status}`);
 *     return response.text();
 *   },
 * });
 * ```
 */
export function createEventBus<Events extends object = UntypedEvents>(options: EventBusOptions = {}): EventBus<Events> {
  return new EventBus<Events>(options);
}

/**
 * A ready client. In Node it takes `EVENT_BUS_URL` and `EVENT_BUS_TOKEN` from the environment at its
 * first use; in a browser the page's own origin and cookie.
 *
 * @example
 * ```ts
 * import { eventBus } from '@shared-infra/event-bus';
 *
 * await eventBus.publish('photo.uploaded', { photoId: '123', userId: 'user-456', filename: 'vacation.jpg' });
 * ```
 */
export const eventBus: EventBus = createEventBus();
