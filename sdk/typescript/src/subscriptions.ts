import { kInFlightMax } from './arguments.js';
import type { Connection } from './connection.js';
import { deadlineIn, onceAborted } from './deadline.js';
import { EventBusError, late } from './errors.js';
import type { AnyEvent, Delivery, Received, UntypedEvents } from './event.js';
import { identityOf } from './event.js';
import { GroupWork } from './group-work.js';
import type { UntypedHandler } from './handler.js';
import { call, topicHandlerFailed } from './handler.js';
import { Handling } from './handling.js';
import type { Interest, InterestsUser } from './interests.js';
import { Interests, isView } from './interests.js';
import { positionOf } from './offset.js';
import type { Settings } from './options.js';
import type { PlaceStore } from './place-store.js';
import type { RecentIds } from './recent-ids.js';
import { recentIds } from './recent-ids.js';
import { inTheWay } from './state.js';
import { Subscriber } from './subscriber.js';
import { coversEvent, isSubject } from './topic.js';

export interface SubscribeOptions {
  /** A place or an offset, as of an `Event-Bus-Offset` header: events of the topic after it come first. */
  readonly since?: string | undefined;
  /**
   * For services' type patterns: the consumer group. Default: the one named after the service, in
   * which each event goes to one member. `null`: no group, every event, from now on.
   */
  readonly group?: string | null | undefined;
  /** Groups: how many events are handled at once, 1,000 at most. Default: as many as the server gives (`group_in_flight_default`), 64 at most. */
  readonly maxInFlight?: number | undefined;
  /**
   * How many events of the topic the handler is given at once; 1: one after the other, in their order. Default: each when
   * it comes; in a group, `maxInFlight`.
   */
  readonly concurrency?: number | undefined;
  /** How long the first answer may take. */
  readonly timeoutMs?: number | undefined;
  /** Aborted: the handler is taken off, whether it has been confirmed or not. */
  readonly signal?: AbortSignal | undefined;
  /** The server ended it: the right to watch has gone. Without this, `onError` hears of it. */
  readonly onEnd?: ((error: EventBusError) => void) | undefined;
}

/** What a confirmed `subscribe` gives. */
export interface Subscription {
  readonly topic: string;
  /** The consumer group, if it is one. */
  readonly group: string | undefined;
  /** The place in the log from which on events come. */
  readonly offset: string;
  /** The handler is not called any more from here on. Resolves when the server knows. Never rejects. */
  unsubscribe(): Promise<void>;
}

/** The handlers of this client, and which of them get what comes. */
export class Subscriptions {
  /** What the server knows of them. */
  readonly interests: Interests;
  readonly work: GroupWork;
  readonly handling = new Handling();
  /** How often a handler was not called for an event that it had had. */
  repeats = 0;
  readonly #connection: Connection;
  readonly #settings: Settings;
  readonly #places: PlaceStore;
  readonly #user: InterestsUser;
  readonly #listeners = new Set<(event: AnyEvent<UntypedEvents>) => void>(); // each takes what is its topic's, once

  constructor(connection: Connection, settings: Settings, places: PlaceStore, user: InterestsUser) {
    this.#connection = connection;
    this.#settings = settings;
    this.#places = places;
    this.#user = user;
    this.interests = new Interests(connection, places, user);
    this.work = new GroupWork(connection, this.handling, (error) => user.error(error));
  }

  /** `handling`: what waits for the handler at the end. */
  subscribe(topic: string, handler: UntypedHandler, options: SubscribeOptions, handling: Handling = this.handling): Promise<Subscription> {
    return new Promise((resolve, reject) => {
      const { signal, since, group, concurrency = Infinity, onEnd, timeoutMs = this.#settings.timeoutMs } = options;
      const giveUp = (error: EventBusError) => {
        subscriber.refuse(error);
        void unsubscribe();
      };
      const offSignal = onceAborted(signal, giveUp);
      const forget = () => {
        clearTimeout(deadline);
        offSignal();
      };
      const onHandlerFailed = this.#handlerFailed(topic);
      const subscriber = new Subscriber({
        topic,
        handler,
        handling,
        since,
        seen: this.#newSeen(),
        places: this.#places,
        concurrency,
        onSettled: (outcome) => {
          clearTimeout(deadline);
          if (!(outcome instanceof EventBusError)) return resolve({ topic, group: outcome.group, offset: outcome.offset, unsubscribe });
          forget();
          reject(outcome);
        },
        onEnded: (cause) => {
          const error = cause.about({ topic });
          if (onEnd === undefined) this.#user.error(error);
          else void call(onEnd, error).catch(onHandlerFailed);
        },
        onHandlerFailed,
        onHungry: () => this.interests.ask(interest, subscriber),
        onClosed: forget,
      });
      const unsubscribe = (): Promise<void> => this.interests.remove(interest, subscriber);
      const deadline = deadlineIn(timeoutMs, () => giveUp(late(`The subscription to ${topic} was not confirmed`, timeoutMs, interest.lastError ?? inTheWay(this.#connection.state))));
      const maxInFlight = options.maxInFlight ?? (isSubject(topic) || group === null || concurrency === Infinity ? undefined : Math.min(Math.floor(concurrency), kInFlightMax));
      const interest = this.interests.add({ topic, group, maxInFlight }, subscriber);
    });
  }

  /** A handler for what arrives anyway. Returns the function that takes it off. */
  listen(topic: string, handler: UntypedHandler): () => void {
    const isNew = this.#newSeen();
    const onHandlerFailed = this.#handlerFailed(topic);
    const listener = (event: AnyEvent<UntypedEvents>) => {
      if (coversEvent(topic, event) && isNew(identityOf(event))) void this.handling.run(() => call(handler, event, undefined).catch(onHandlerFailed));
    };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #handlerFailed(topic: string): (thrown: unknown) => void {
    return (thrown) => this.#user.error(topicHandlerFailed(topic, thrown));
  }

  #newSeen(): RecentIds {
    return recentIds(this.#settings.repeatsMax, () => ++this.repeats);
  }

  /** Gives an event to whom it concerns. */
  receive({ event, place, delivery, historyOf }: Received): void {
    if (delivery !== undefined) return this.work.take(event, delivery, this.#memberOf(delivery));
    const found = [...this.interests].filter((interest) => isView(interest) && (historyOf === undefined ? coversEvent(interest.topic, event) : interest.topic === historyOf));
    if (place === undefined) return this.#receiveOfHistory(found, event);
    for (const { subscribers } of found) for (const subscriber of subscribers) subscriber.takeInOrder(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Whether a handler waits for events: one that was confirmed, or one for what arrives anyway. */
  get isWaiting(): boolean {
    return this.isWatching || [...this.interests].some(({ confirmed }) => confirmed !== undefined);
  }

  /** Whether one of them misses what is lost; a group has its own place. */
  get isWatching(): boolean {
    return this.#listeners.size > 0 || [...this.interests].some((interest) => interest.confirmed !== undefined && isView(interest));
  }

  /** Rejects what has not been confirmed, and says how many. What was confirmed stays, for when the connection is back. */
  fail(error: EventBusError): number {
    let told = 0;
    for (const interest of [...this.interests]) {
      for (const subscriber of [...interest.subscribers]) {
        if (subscriber.isConfirmed) continue;
        subscriber.refuse(error);
        void this.interests.remove(interest, subscriber);
        ++told;
      }
    }
    return told;
  }

  /** No handler is called any more; those that are at work go on. What has not been confirmed is rejected. */
  stop(error: EventBusError): void {
    this.fail(error);
    this.work.stop();
    this.interests.stop();
    this.#listeners.clear();
  }

  // The server sends a history again until it knows that it came, so what is not new is ignored. Where it does not say of
  // which topic it is: what can be one topic's only comes in order, what can be more than one's may be of either history.
  #receiveOfHistory(found: readonly Interest[], event: Received['event']): void {
    const position = positionOf(event.offset);
    const owed = found.map(({ subscribers }) => [...subscribers].filter((subscriber) => subscriber.isNew(position))).filter(({ length }) => length > 0);
    for (const subscribers of owed) for (const subscriber of subscribers) subscriber.takeOfHistory(event, owed.length === 1);
  }

  #memberOf({ topic, group }: Delivery): Interest | undefined {
    for (const interest of this.interests) {
      if (interest.topic !== topic || interest.group === null) continue;
      // Without a name the server chose it; a delivery may overtake the answer that tells it.
      if ((interest.group ?? interest.confirmed?.group ?? group) === group) return interest;
    }
    return undefined;
  }
}
