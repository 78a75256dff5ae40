import type { Connection, ConnectionUser } from './connection.js';
import { readError } from './connection.js';
import { connectionFor } from './connection-for.js';
import { deadlineIn } from './deadline.js';
import { EventBusError } from './errors.js';
import type { EventToPublish, Published } from './event.js';
import { readEvent } from './event.js';
import { isObject } from './guards.js';
import type { UntypedHandler } from './handler.js';
import type { Settings } from './options.js';
import { Outage } from './outage.js';
import { PlaceStore } from './place-store.js';
import type { PublishLimits } from './publisher.js';
import { Publisher } from './publisher.js';
import type { ConnectionState, Gap } from './state.js';
import type { SubscribeOptions, Subscription } from './subscriptions.js';
import { Subscriptions } from './subscriptions.js';

/** What an `EventBus` works with, from its first use until it is closed. */
export interface Engine {
  readonly state: ConnectionState;
  /** Whether a handler is at work on a group's event that it can still answer. */
  readonly isHandling: boolean;
  /** Connects, if it is not connected or on the way. */
  open(): void;
  publish(event: EventToPublish, limits: PublishLimits): Promise<Published>;
  /** All of them, or none, in their order. */
  publishAll(events: readonly EventToPublish[], limits: PublishLimits): Promise<Published[]>;
  subscribe(topic: string, handler: UntypedHandler, options: SubscribeOptions): Promise<Subscription>;
  /** A handler for what arrives anyway. Returns the function that takes it off. */
  listen(topic: string, handler: UntypedHandler): () => void;
  /** Ends it, after at most `drainMs` for the work under way; called again with 0, at once. The same promise each time. */
  close(drainMs: number): Promise<void>;
}

/** Who hears what no promise tells. */
export interface EngineUser {
  state(state: ConnectionState): void;
  isStateHeard(): boolean;
  gap(gap: Gap): void;
  error(error: EventBusError): void;
  /** The connection to `origin` has ended for good, and no promise tells it; or handlers wait for events that will not come. */
  ended(origin: string, error: EventBusError, isWaiting: boolean): void;
}

/** The engine with a connection of its own. */
export class OwnConnection implements Engine {
  readonly #origin: string;
  readonly #user: EngineUser;
  readonly #places: PlaceStore;
  readonly #connection: Connection;
  readonly #publisher: Publisher;
  readonly #subscriptions: Subscriptions;
  #closed: Promise<void> | undefined;
  #force: () => void = () => {};

  constructor(settings: Settings, user: EngineUser) {
    this.#origin = settings.origin;
    this.#user = user;
    this.#places = new PlaceStore(settings.resumeKey);
    this.#connection = connectionFor(settings, this.#connectionUser());
    this.#publisher = new Publisher(this.#connection, settings);
    this.#subscriptions = new Subscriptions(this.#connection, settings, this.#places, {
      report: (error) => user.error(error),
      lost: (gap) => user.gap(gap),
    });
    const outage = new Outage(settings.origin, () => user.isStateHeard());
    this.#connection.states.add((state) => outage.follow(state));
    this.#connection.states.add((state) => user.state(state));
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get isHandling(): boolean {
    return this.#subscriptions.work.isHandling;
  }

  open(): void {
    this.#connection.open();
  }

  publish(event: EventToPublish, limits: PublishLimits): Promise<Published> {
    return this.#publisher.publish(event, limits);
  }

  publishAll(events: readonly EventToPublish[], limits: PublishLimits): Promise<Published[]> {
    return this.#publisher.publishAll(events, limits);
  }

  subscribe(topic: string, handler: UntypedHandler, options: SubscribeOptions): Promise<Subscription> {
    return this.#subscriptions.subscribe(topic, handler, options);
  }

  listen(topic: string, handler: UntypedHandler): () => void {
    return this.#subscriptions.listen(topic, handler);
  }

  close(drainMs: number): Promise<void> {
    if (drainMs === 0) this.#force();
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  async #close(drainMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = deadlineIn(drainMs, resolve);
      this.#force = resolve;
    });
    await Promise.race([this.#subscriptions.work.drain().then(() => this.#publisher.idle()), late]);
    clearTimeout(timer);
    const closed = new EventBusError('closed', 'This event bus client has been closed.');
    this.#subscriptions.close(closed);
    this.#publisher.fail(closed);
    this.#connection.close();
    this.#places.close();
  }

  #connectionUser(): ConnectionUser {
    return {
      resumeRequest: () => this.#subscriptions.resumeRequest(),
      connected: (recovered, asked) => {
        this.#subscriptions.connected(recovered, asked);
        this.#publisher.flush();
      },
      lost: (gap) => {
        this.#places.pass(gap.to);
        this.#subscriptions.lost(gap.to);
        if (gap.from !== undefined || this.#subscriptions.isWaiting) this.#user.gap(gap); // who only publishes misses nothing
      },
      emitted: (name, args) => this.#onEmitted(name, args),
      refused: (error) => {
        const told = this.#subscriptions.fail(error) + this.#publisher.fail(error);
        const { isWaiting } = this.#subscriptions;
        if (this.state.status === 'closed' && (isWaiting || told === 0)) this.#user.ended(this.#origin, error, isWaiting);
      },
    };
  }

  #onEmitted(name: string, args: readonly unknown[]): void {
    const received = readEvent(args);
    if (received !== undefined) {
      this.#subscriptions.receive(received);
      if (received.place !== undefined) this.#places.pass(received.place);
      return;
    }
    const [body] = args;
    if (!isObject(body)) return;
    if (name === 'watch.ended' && typeof body.topic === 'string') {
      this.#subscriptions.ended(body.topic, readError(body, `The watch of ${body.topic} has ended.`));
    } else if (name === 'resume.gap' && typeof body.from === 'string' && typeof body.to === 'string') {
      this.#user.gap({ from: body.from, to: body.to });
    }
  }
}
