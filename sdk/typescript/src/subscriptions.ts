import { Backoff } from './backoff.js';
import type { Connection, ResumeRequest } from './connection.js';
import { deadlineIn } from './deadline.js';
import { asEventBusError, EventBusError } from './errors.js';
import type { Delivery, EventAttributes, Received } from './event.js';
import { identityOf } from './event.js';
import { GroupWork } from './group-work.js';
import { optionalString } from './guards.js';
import type { UntypedHandler } from './handler.js';
import { call, handlerFailed } from './handler.js';
import type { Settings } from './options.js';
import type { PlaceStore } from './place-store.js';
import { positionOf } from './position.js';
import { RecentIds } from './recent-ids.js';
import type { Gap } from './state.js';
import { coversEvent, isSubject } from './topic.js';

const kAnswerMs = 10_000;
const kRetryFirstMs = 500;
const kRetryMaxMs = 30_000;

export interface SubscribeOptions {
  /** A place or an offset, as of an `Event-Bus-Offset` header: events of the topic after it come first. */
  readonly since?: string | undefined;
  /**
   * For services' type patterns: the consumer group. Default: the one named after the service, in
   * which each event goes to one member. `null`: no group, every event, from now on.
   */
  readonly group?: string | null | undefined;
  /** Groups: how many events are handled at once. Default 64. */
  readonly maxInFlight?: number | undefined;
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

interface Listener {
  readonly handler: UntypedHandler;
  readonly seen: RecentIds;
  readonly onEnd: ((error: EventBusError) => void) | undefined;
  isConfirmed: boolean;
  /** The position up to which histories hold nothing for it: it began there, or has had it. Until it is confirmed, all. */
  historyAfter: number;
  /** Settles the promise of `subscribe`, once. */
  settle: (outcome: Confirmed | EventBusError) => void;
}

interface LocalListener {
  readonly topic: string;
  readonly listener: Listener;
}

interface Confirmed {
  readonly offset: string;
  readonly group: string | undefined;
}

// What the server is asked for; the handlers of one topic and group share it.
interface Interest {
  readonly key: string;
  readonly topic: string;
  readonly group: string | null | undefined;
  readonly maxInFlight: number | undefined;
  readonly listeners: Set<Listener>;
  readonly backoff: Backoff;
  since: string | undefined; // from where, the next time that it is asked for: as the application says
  isHeld: boolean; // it was confirmed in the session of now, and no earlier one
  isCovered: boolean; // the sign-in asked for it: it goes on at the last place, whatever its own answer says
  from: string | undefined; // where it goes on if it is not held: the places that come meanwhile are of other topics
  lost: string | undefined; // where it was to go on, and the log does not hold
  confirmed: Confirmed | undefined;
  placesAtConfirm: number;
  wasAsked: boolean; // the server may know of it
  retryTimer: ReturnType<typeof setTimeout> | undefined;
  mergedInto: Interest | undefined; // it asked for a group without its name, and that one by it
}

/** Who hears what no promise tells. */
export interface SubscriptionsUser {
  report(error: EventBusError): void;
  /** A topic that was to go on from `gap.from` goes on from `gap.to`. */
  lost(gap: Gap): void;
}

/**
 * Which topics the server is asked for, and which handlers get what comes.
 *
 * (1) A handler gets an event that came live or by a resume at most once (source + id).
 * (2) A group's delivery is acknowledged when all handlers of it have resolved, and given back when
 *     one rejects; repeats are handled again, since the group has its reason to repeat.
 * (3) After each CONNECT the server has been asked for every interest that this session has not confirmed, from
 *     the place that an earlier one had come to.
 */
export class Subscriptions {
  readonly work: GroupWork;
  readonly #connection: Connection;
  readonly #settings: Settings;
  readonly #places: PlaceStore;
  readonly #user: SubscriptionsUser;
  readonly #interests = new Map<string, Interest>();
  readonly #local = new Set<LocalListener>();
  readonly #unsubscribed = new Map<string, Interest>(); // taken off while the server could not be told

  constructor(connection: Connection, settings: Settings, places: PlaceStore, user: SubscriptionsUser) {
    this.#connection = connection;
    this.#settings = settings;
    this.#places = places;
    this.#user = user;
    this.work = new GroupWork(connection, (error) => user.report(error));
  }

  subscribe(topic: string, handler: UntypedHandler, options: SubscribeOptions): Promise<Subscription> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) throw aborted(signal);
      const interest = this.#interestIn(topic, options);
      const unsubscribe = (): Promise<void> => {
        signal?.removeEventListener('abort', onAbort);
        return this.#remove(interest, listener);
      };
      const listener: Listener = {
        handler,
        seen: new RecentIds(this.#settings.repeatsMax),
        onEnd: options.onEnd,
        isConfirmed: false,
        historyAfter: Infinity,
        settle: (outcome) => {
          clearTimeout(deadline);
          if (outcome instanceof EventBusError) {
            signal?.removeEventListener('abort', onAbort);
            return reject(outcome);
          }
          if (listener.isConfirmed) return; // again: by another's subscription, or in a new session
          listener.isConfirmed = true;
          listener.historyAfter = positionOf(outcome.offset);
          resolve({ topic, group: outcome.group, offset: outcome.offset, unsubscribe });
        },
      };
      const giveUp = (error: EventBusError) => {
        listener.settle(error);
        void this.#remove(interest, listener);
      };
      const onAbort = () => giveUp(aborted(signal));
      const timeoutMs = options.timeoutMs ?? this.#settings.timeoutMs;
      const deadline = deadlineIn(timeoutMs, () => giveUp(this.#late(topic, timeoutMs)));
      signal?.addEventListener('abort', onAbort, { once: true });

      interest.listeners.add(listener);
      if (options.since !== undefined) interest.since = options.since;
      if (interest.confirmed !== undefined && options.since === undefined) {
        listener.settle(interest.confirmed);
        // The history that another asked for is not its own.
        listener.historyAfter = Math.max(listener.historyAfter, positionOf(this.#places.place ?? ''));
      } else this.#ask(interest, interest.since ?? this.#resumePoint(interest));
    });
  }

  /** A handler for what arrives anyway. Returns the function that takes it off. */
  listen(topic: string, handler: UntypedHandler): () => void {
    const seen = new RecentIds(this.#settings.repeatsMax);
    const entry = { topic, listener: { handler, seen, onEnd: undefined, isConfirmed: true, historyAfter: Infinity, settle: () => {} } };
    this.#local.add(entry);
    return () => this.#local.delete(entry);
  }

  /**
   * What a CONNECT should ask for, if it is not the old session that answers. It lists the topics that
   * go on from `since`; the others are asked for by themselves, each from its own place.
   */
  resumeRequest(): ResumeRequest {
    const since = this.#places.place ?? this.#firstOffset();
    if (since === undefined) return { since, topics: [] };
    const going = [...this.#interests.values()].filter((interest) => isView(interest) && this.#resumePoint(interest) === since);
    return { since, topics: [...new Set(going.map(({ topic }) => topic))] };
  }

  connected(recovered: boolean, asked: ResumeRequest): void {
    for (const interest of this.#unsubscribed.values()) {
      if (recovered) void this.#tellUnsubscribed(interest);
      else this.#unsubscribed.delete(interest.key);
    }
    const topics = new Set(asked.topics);
    for (const interest of this.#interests.values()) {
      // A membership of a group ends with the connection; the rest is part of the session.
      interest.isHeld &&= recovered && isConfirmedView(interest);
      if (interest.isHeld && interest.since === undefined) continue;
      if (!interest.isHeld) {
        interest.isCovered = !recovered && isView(interest) && topics.has(interest.topic);
        interest.from = interest.isCovered ? undefined : this.#resumePoint(interest);
      }
      if (interest.from !== undefined) this.#places.owe(interest.topic, interest.from);
      else if (interest.isCovered && asked.since !== undefined) this.#places.watch(interest.topic, asked.since);
      this.#ask(interest, interest.since ?? interest.from);
    }
  }

  /** Gives an event to whom it concerns. */
  receive({ event, place, delivery }: Received): void {
    if (delivery !== undefined) return this.work.take(event, delivery, this.#memberOf(delivery));
    const found = this.#listenersOf(event);
    for (const { topic, listener } of place === undefined ? ofHistory(found, positionOf(event.offset)) : found) {
      if (!listener.seen.add(identityOf(event))) continue;
      call(listener.handler, event, undefined).catch((thrown) => this.#user.report(handlerFailed(topic, thrown)));
    }
  }

  /**
   * The server ended a watch. It tells so again until the client has shown that it knows; what has not been confirmed
   * since is decided by its own answer.
   */
  ended(topic: string, error: EventBusError): void {
    for (const interest of [...this.#interests.values()]) {
      if (interest.topic === topic && interest.confirmed !== undefined) this.#end(interest, error);
    }
  }

  /** The log goes on somewhere else: what lies behind `to` is new, wherever this client stood. */
  lost(to: string): void {
    for (const { listeners } of this.#interests.values()) {
      for (const listener of listeners) if (listener.isConfirmed) listener.historyAfter = positionOf(to);
    }
  }

  /** Whether a handler waits for events: one that was confirmed, or one for what arrives anyway. */
  get isWaiting(): boolean {
    return this.#local.size > 0 || [...this.#interests.values()].some(({ confirmed }) => confirmed !== undefined);
  }

  /** Rejects what has not been confirmed, and says how many. What was confirmed stays, for when the connection is back. */
  fail(error: EventBusError): number {
    let told = 0;
    for (const interest of [...this.#interests.values()]) {
      for (const listener of [...interest.listeners]) {
        if (listener.isConfirmed) continue;
        listener.settle(error);
        void this.#remove(interest, listener);
        ++told;
      }
    }
    return told;
  }

  /** Leaves no timer and no handler. */
  close(error: EventBusError): void {
    this.work.close();
    this.fail(error);
    for (const { retryTimer } of [...this.#interests.values(), ...this.#unsubscribed.values()]) clearTimeout(retryTimer);
    this.#interests.clear();
    this.#unsubscribed.clear();
    this.#local.clear();
  }

  #interestIn(topic: string, { group, maxInFlight }: SubscribeOptions): Interest {
    const key = JSON.stringify([topic, group === undefined ? {} : group]);
    const known = this.#interests.get(key) ?? (typeof group === 'string' ? this.#ofGroup(topic, group) : undefined);
    if (known !== undefined) return known;
    const interest: Interest = {
      key,
      topic,
      group,
      maxInFlight,
      listeners: new Set(),
      backoff: new Backoff(kRetryFirstMs, kRetryMaxMs),
      since: undefined,
      isHeld: false,
      isCovered: false,
      from: undefined,
      lost: undefined,
      confirmed: undefined,
      placesAtConfirm: 0,
      wasAsked: false,
      retryTimer: undefined,
      mergedInto: undefined,
    };
    this.#interests.set(key, interest);
    clearTimeout(this.#unsubscribed.get(key)?.retryTimer);
    this.#unsubscribed.delete(key);
    return interest;
  }

  #ask(interest: Interest, since: string | undefined): void {
    if (!this.#connection.isLive) return; // `connected` asks
    clearTimeout(interest.retryTimer);
    interest.wasAsked = true;
    const { topic, group, maxInFlight } = interest;
    const options = {
      ...(since !== undefined && { since }),
      ...(group !== undefined && { group }),
      ...(maxInFlight !== undefined && { max_in_flight: maxInFlight }),
    };
    // Events, or the end of it, may come right behind the answer: they find it confirmed.
    this.#connection.send('subscribe', [topic, options], kAnswerMs, (answer) => {
      if (this.#interests.get(interest.key) !== interest) return;
      if (answer instanceof EventBusError) this.#onRefused(interest, since, answer);
      else this.#confirm(interest, { offset: optionalString(answer.offset) ?? '', group: optionalString(answer.group) });
    });
  }

  #confirm(interest: Interest, confirmed: Confirmed): void {
    interest.backoff.reset();
    interest.since = undefined;
    interest.isHeld = true;
    interest.from = undefined;
    interest.confirmed = confirmed;
    this.#mergeIntoTwin(interest, confirmed.group);
    interest.placesAtConfirm = interest.isCovered ? -1 : this.#places.count;
    if (!interest.isCovered) this.#places.watch(interest.topic, confirmed.offset);
    for (const listener of interest.listeners) listener.settle(confirmed);
    const { lost } = interest;
    interest.lost = undefined;
    if (lost === undefined) return;
    for (const listener of interest.listeners) listener.historyAfter = positionOf(confirmed.offset);
    this.#user.lost({ from: lost, to: confirmed.offset });
  }

  // The group named after the service, and the same by its name, are one membership: what is given to it is both's.
  #mergeIntoTwin(interest: Interest, group: string | undefined): void {
    const twin = group === undefined ? undefined : this.#ofGroup(interest.topic, group, interest);
    if (twin === undefined) return;
    for (const listener of interest.listeners) twin.listeners.add(listener);
    interest.mergedInto = twin;
    this.#interests.delete(interest.key);
  }

  #ofGroup(topic: string, group: string, except?: Interest): Interest | undefined {
    return [...this.#interests.values()].find((other) => other !== except && other.topic === topic && (other.group ?? other.confirmed?.group) === group);
  }

  #onRefused(interest: Interest, since: string | undefined, error: EventBusError): void {
    if (error.code === 'bad_offset' && since !== undefined && since !== interest.since) {
      interest.lost = since; // its own place, in a log that was replaced: it goes on from now
      return this.#ask(interest, interest.since);
    }
    if (error.retry !== 'later' && error.code !== 'token_expired') return interest.isHeld ? this.#refuse(interest, error) : this.#end(interest, error);
    if (!this.#connection.isLive) return;
    interest.retryTimer = setTimeout(() => this.#ask(interest, since), error.retryAfterMs ?? interest.backoff.nextMs());
  }

  // What the session holds goes on; only those are refused who have asked since.
  #refuse(interest: Interest, error: EventBusError): void {
    interest.since = undefined;
    for (const listener of [...interest.listeners]) {
      if (listener.isConfirmed) continue;
      listener.settle(error);
      interest.listeners.delete(listener);
    }
  }

  // The server will not, or not any more.
  #end(interest: Interest, error: EventBusError): void {
    this.#drop(interest);
    for (const listener of interest.listeners) {
      if (!listener.isConfirmed) listener.settle(error);
      else if (listener.onEnd === undefined) this.#user.report(error);
      else void call(async () => listener.onEnd?.(error)).catch((thrown) => this.#user.report(handlerFailed(interest.topic, thrown)));
    }
  }

  async #remove(asked: Interest, listener: Listener): Promise<void> {
    const interest = asked.mergedInto ?? asked;
    if (!interest.listeners.delete(listener) || interest.listeners.size > 0) return;
    if (!this.#drop(interest) || !interest.wasAsked) return;
    this.#unsubscribed.set(interest.key, interest);
    await this.#tellUnsubscribed(interest);
  }

  #drop(interest: Interest): boolean {
    clearTimeout(interest.retryTimer);
    if (this.#interests.get(interest.key) !== interest) return false;
    this.#places.unwatch(interest.topic);
    return this.#interests.delete(interest.key);
  }

  async #tellUnsubscribed(interest: Interest): Promise<void> {
    clearTimeout(interest.retryTimer);
    if (!this.#connection.isLive) return; // a recovered session is told when it is back
    const { topic, group } = interest;
    try {
      await this.#connection.request('unsubscribe', group === undefined ? [topic] : [topic, { group }], kAnswerMs);
      if (this.#unsubscribed.get(interest.key) === interest) this.#unsubscribed.delete(interest.key);
    } catch (thrown) {
      if (!this.#connection.isLive || this.#unsubscribed.get(interest.key) !== interest) return;
      const error = asEventBusError(thrown, 'internal');
      if (error.retry !== 'later') return this.#user.report(error);
      interest.retryTimer = setTimeout(() => void this.#tellUnsubscribed(interest), error.retryAfterMs ?? interest.backoff.nextMs());
    }
  }

  #memberOf({ topic, group }: Delivery): Interest | undefined {
    for (const interest of this.#interests.values()) {
      if (interest.topic !== topic || interest.group === null) continue;
      // Without a name the server chose it; a delivery may overtake the answer that tells it.
      if ((interest.group ?? interest.confirmed?.group ?? group) === group) return interest;
    }
    return undefined;
  }

  #listenersOf(event: EventAttributes): LocalListener[] {
    const found: LocalListener[] = [];
    for (const interest of this.#interests.values()) {
      const { topic, listeners } = interest;
      if (!isView(interest) || !coversEvent(topic, event)) continue;
      for (const listener of listeners) found.push({ topic, listener });
    }
    for (const local of this.#local) if (coversEvent(local.topic, event)) found.push(local);
    return found;
  }

  // Where an interest has to go on: still where a session before was asked to, if that did not answer;
  // at the last place; if none has come since it was confirmed, where it began; in a page that was
  // loaded again, where the page before stopped.
  #resumePoint({ topic, from, confirmed, placesAtConfirm }: Interest): string | undefined {
    if (from !== undefined) return from;
    if (confirmed === undefined) return this.#places.restoredFor(topic);
    if (confirmed.group !== undefined) return undefined;
    return this.#places.count > placesAtConfirm ? this.#places.place : confirmed.offset;
  }

  // The map is in the order of subscribing, so the first that is confirmed is the earliest.
  #firstOffset(): string | undefined {
    for (const { confirmed } of this.#interests.values()) if (confirmed !== undefined) return confirmed.offset;
    return undefined;
  }

  #late(topic: string, timeoutMs: number): EventBusError {
    const cause = this.#connection.state.error;
    return new EventBusError('timeout', `The subscription to ${topic} was not confirmed within ${timeoutMs} ms${cause ? `: ${cause.message}` : '.'}`, { cause });
  }
}

// Whether it shows what arrives in order; the others get what their group gives them. For a type
// pattern without `group` only the server's answer tells.
function isView(interest: Interest): boolean {
  return isSubject(interest.topic) || interest.group === null || isConfirmedView(interest);
}

function isConfirmedView({ confirmed }: Interest): boolean {
  return confirmed !== undefined && confirmed.group === undefined;
}

// Those for whom an event of a history is new. The server sends a history again until it knows that it came.
function ofHistory(found: readonly LocalListener[], position: number): readonly LocalListener[] {
  const news = found.filter(({ listener }) => position > listener.historyAfter);
  // It says nothing of the topic. What is one topic's comes in order; what is more than one's may be of either history.
  const isOfOne = news.every(({ topic }) => topic === news[0]?.topic);
  if (isOfOne) for (const { listener } of news) listener.historyAfter = position;
  return news;
}

function aborted(signal: AbortSignal | undefined): EventBusError {
  return new EventBusError('aborted', 'The signal was aborted.', { cause: signal?.reason });
}
