import type { Connection, ConnectionUser } from './connection.js';
import { readError } from './connection.js';
import { connectionFor } from './connection-for.js';
import { deadlineIn } from './deadline.js';
import type { EventBusError } from './errors.js';
import { clientClosed, somebodyElse } from './errors.js';
import { readEvent } from './event.js';
import { fieldsOf, optionalString } from './guards.js';
import type { Settings } from './options.js';
import { outageOf } from './outage.js';
import { PlaceStore } from './place-store.js';
import { Publisher } from './publisher.js';
import type { ConnectionState, Gap } from './state.js';
import { isConnected } from './state.js';
import type { Stats } from './stats.js';
import { Subscriptions } from './subscriptions.js';
import { untilLive } from './until-live.js';

/** Who hears what no promise tells. */
export interface EngineUser {
  /** It has been closed; nothing more comes. */
  closed(): void;
  state(state: ConnectionState): void;
  isStateHeard(): boolean;
  gap(gap: Gap): void;
  error(error: EventBusError): void;
  /** The connection to `address` has ended for good, and no promise tells it; or handlers wait for events that will not come. */
  ended(address: string, error: EventBusError, isWaiting: boolean): void;
}

/** What an `EventBus` works with, from its first use until it is closed. */
export class Engine {
  readonly publisher: Publisher;
  readonly subscriptions: Subscriptions;
  readonly #settings: Settings;
  readonly #user: EngineUser;
  readonly #places: PlaceStore;
  readonly #connection: Connection;
  #received = 0;
  #reconnects = 0;
  #hasConnected = false;
  #mayMiss = false; // a connection before this one broke, and had named no place to go on from
  #roundTripMs: number | undefined;
  #readyCalls = 0; // that wait
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  #closed: Promise<void> | undefined;
  #isEnded = false;
  #force: () => void = () => {};

  /** `entry`: where its place outlives it, as `claimEntry` gave it. */
  constructor(settings: Settings, entry: string | undefined, user: EngineUser) {
    this.#settings = settings;
    this.#user = user;
    this.#places = new PlaceStore(entry);
    this.#connection = connectionFor(settings, this.#connectionUser());
    this.publisher = new Publisher(this.#connection, settings);
    this.subscriptions = new Subscriptions(this.#connection, settings, this.#places, user);
    const outage = outageOf(settings.address, user.isStateHeard, settings.logger);
    let isLost = false;
    let told: string | undefined;
    this.#connection.states.add((state) => {
      if (isLost && isConnected(state)) ++this.#reconnects;
      isLost = state.status === 'reconnecting';
      outage(state);
      // Tries that fail alike, and what the leader of the tabs says again, are no change.
      const news = JSON.stringify([state, state.error?.message]);
      if (news === told) return;
      told = news;
      user.state(state);
    });
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get stats(): Stats {
    return { sent: this.publisher.stored, received: this.#received, repeats: this.subscriptions.repeats, reconnects: this.#reconnects, roundTripMs: this.#roundTripMs };
  }

  /** Whether a handler is at work that may still publish. */
  get isHandling(): boolean {
    return this.subscriptions.handling.isAtWork && !this.#isEnded;
  }

  /** Something needs the connection. */
  open(): void {
    const { status } = this.state;
    if (!this.#settings.autoConnect && (status === 'idle' || status === 'closed')) return;
    if (!this.#places.isRestored || status !== 'idle') return this.#connection.open();
    // What the page before missed comes once: also to handlers that are registered a few awaits later.
    this.#openTimer ??= setTimeout(() => this.#connection.open(), 0);
  }

  /** Connects now, if it is not connected or on the way. */
  connect(): void {
    this.#cancelOpen();
    this.#connection.open();
  }

  /** Connects, and resolves when it is live; rejects when it is closed, with why, or after `timeoutMs`. */
  async ready(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.connect();
    ++this.#readyCalls;
    try {
      await untilLive(this.#connection, timeoutMs, signal);
    } finally {
      --this.#readyCalls;
    }
  }

  /** Connects anew, with a new token. */
  reconnect(): void {
    this.#cancelOpen();
    this.#connection.reconnect();
  }

  /** Ends the connection until it is needed again. */
  disconnect(): void {
    this.#cancelOpen();
    this.#connection.disconnect();
  }

  /**
   * Ends it, after at most `drainMs` for the work under way; called again with 0, at once. A handler that calls it is not
   * waited for by the promise that it is given.
   */
  close(drainMs: number): Promise<void> {
    if (drainMs === 0) this.#force();
    this.#closed ??= this.#close(drainMs);
    const { handling } = this.subscriptions;
    return handling.isOwn ? Promise.race([this.#closed, handling.othersIdle().then(() => this.publisher.idle())]) : this.#closed;
  }

  async #close(drainMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = deadlineIn(drainMs, resolve);
      this.#force = resolve;
    });
    this.#places.close(); // they are the next client's to keep
    this.subscriptions.stop(clientClosed());
    await Promise.race([this.subscriptions.handling.idle().then(() => this.publisher.idle()), late]);
    this.#isEnded = true;
    clearTimeout(timer);
    this.#cancelOpen();
    this.subscriptions.interests.close();
    this.publisher.fail(clientClosed());
    this.#connection.close();
    this.#user.closed();
  }

  #cancelOpen(): void {
    clearTimeout(this.#openTimer);
    this.#openTimer = undefined;
  }

  #connectionUser(): ConnectionUser {
    return {
      resumeRequest: () => this.subscriptions.interests.resumeRequest(),
      connected: (recovered, asked) => {
        this.#mayMiss = this.#hasConnected && !recovered && asked.since === undefined;
        this.#hasConnected = true;
        this.subscriptions.interests.connected(recovered, asked);
        this.publisher.learn();
        this.publisher.flush();
      },
      lost: (gap) => {
        if (gap.from === undefined) this.#places.pass(gap.to);
        else this.#places.restart(gap.to);
        this.subscriptions.interests.lost(gap.to);
        if (gap.from !== undefined || this.subscriptions.isWatching) this.#user.gap(gap); // one that only publishes misses nothing
      },
      caughtUp: (place, principal) => {
        if (this.#places.principal !== undefined && principal !== undefined && principal !== this.#places.principal) this.#changeHands();
        const misses = place !== undefined && this.#mayMiss && this.#places.place === undefined && this.subscriptions.isWatching;
        if (place !== undefined) this.#places.pass(place);
        if (principal !== undefined) this.#places.signIn(principal); // keeps the place
        if (misses) this.#user.gap({ to: place }); // the server knows nothing of the connection that broke
        this.publisher.learn();
        this.publisher.flush();
      },
      changedHands: () => this.#changeHands(),
      answered: (ms) => (this.#roundTripMs = ms),
      emitted: (name, args) => this.#onEmitted(name, args),
      refused: (error) => {
        const hasNoCookie = error.code === 'unauthorized' && this.#settings.token === undefined;
        if (error.code === 'signed_out' || hasNoCookie) this.#places.signOut();
        const told = this.subscriptions.fail(error) + this.publisher.fail(error) + this.#readyCalls;
        const { isWaiting } = this.subscriptions;
        if (this.state.status === 'closed' && (isWaiting || told === 0)) this.#user.ended(this.#settings.address, error, isWaiting);
      },
    };
  }

  #changeHands(): void {
    this.#hasConnected = false;
    const { hasSignedIn } = this.#places;
    this.#places.forget();
    if (!hasSignedIn) return; // the places were the other's, and nothing else
    const error = somebodyElse();
    this.subscriptions.interests.endAll(error);
    this.publisher.fail(error);
    this.#user.error(error);
  }

  #onEmitted(name: string, args: readonly unknown[]): void {
    const received = readEvent(args);
    if (received !== undefined) {
      ++this.#received;
      this.subscriptions.receive(received);
      if (received.place !== undefined) this.#places.pass(received.place);
      return;
    }
    const body = fieldsOf(args[0]);
    const { topic, from, to } = body;
    if (name === 'watch.ended' && typeof topic === 'string') {
      this.subscriptions.interests.ended(topic, optionalString(body.group), readError(body, `The watch of ${topic} has ended.`));
    } else if (name === 'resume.gap' && typeof from === 'string' && typeof to === 'string') {
      this.#user.gap({ from, to });
    }
  }
}
