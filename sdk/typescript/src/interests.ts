import { Backoff } from './backoff.js';
import type { Connection, ResumeRequest } from './connection.js';
import { request } from './connection.js';
import { asEventBusError, EventBusError } from './errors.js';
import { optionalString } from './guards.js';
import { positionOf } from './offset.js';
import type { PlaceStore } from './place-store.js';
import type { Gap } from './state.js';
import type { Confirmed, Subscriber } from './subscriber.js';
import { isSubject } from './topic.js';

const kAnswerMs = 10_000;
const kRetryFirstMs = 500;
const kRetryMaxMs = 30_000;
const kTopicsMax = 1_000; // of a CONNECT, and their bytes: the server reads 1,024, and 128 KiB with the token
const kTopicsBytesMax = 64 * 1024;

/** What a subscription wants of the server. */
export interface Wish {
  readonly topic: string;
  readonly group: string | null | undefined;
  readonly maxInFlight: number | undefined;
}

/** What the server is asked for; the subscribers of one topic and group share it. */
export interface Interest extends Wish {
  readonly key: string;
  readonly subscribers: Set<Subscriber>;
  readonly backoff: Backoff;
  readonly requests: Set<Request>;
  confirmed?: Confirmed | undefined;
  lastError?: EventBusError | undefined; // why the server cannot serve it for now
  isHeld?: boolean; // this session brings what comes in order
  wasAsked?: boolean; // the server may know of it
  retryTimer?: ReturnType<typeof setTimeout>; // of its `unsubscribe`
  mergedInto?: Interest; // it asked for a group without its name, and that one by it
}

// One `subscribe` that has no answer yet.
interface Request {
  readonly since: string | undefined;
  readonly subscribers: Set<Subscriber>;
  readonly lost?: string | undefined; // where it was to go on, and the log does not hold
  timer?: ReturnType<typeof setTimeout>; // it is sent again
}

/** Who hears what no promise tells. */
export interface InterestsUser {
  error(error: EventBusError): void;
  /** A topic that was to go on from `gap.from` goes on from `gap.to`. */
  gap(gap: Gap): void;
}

/**
 * What the server knows of this client's subscriptions. After each CONNECT it has been asked for everything that this
 * session has not confirmed: for the topics, and for the history of each subscriber from where that one stands.
 */
export class Interests {
  readonly #connection: Connection;
  readonly #places: PlaceStore;
  readonly #user: InterestsUser;
  readonly #interests = new Map<string, Interest>();
  readonly #unsubscribed = new Map<string, Interest>(); // taken off while the server could not be told

  constructor(connection: Connection, places: PlaceStore, user: InterestsUser) {
    this.#connection = connection;
    this.#places = places;
    this.#user = user;
  }

  [Symbol.iterator](): IterableIterator<Interest> {
    return this.#interests.values();
  }

  add(wish: Wish, subscriber: Subscriber): Interest {
    const interest = this.#interestIn(wish);
    interest.subscribers.add(subscriber);
    if (typeof wish.group !== 'string') this.#places.enter(subscriber);
    if (this.#connection.isLive) this.#goOnFromPlace(interest, subscriber);
    this.ask(interest, subscriber);
    return interest;
  }

  /** Asks for what `subscriber` needs. Those who need no history share one answer. */
  ask(asked: Interest, subscriber: Subscriber): void {
    const interest = asked.mergedInto ?? asked;
    const { since } = subscriber;
    if (!this.#connection.isLive || !interest.subscribers.has(subscriber)) return; // `connected` asks
    const same = since === undefined ? [...interest.requests].find((request) => request.since === undefined) : undefined;
    if (same !== undefined) same.subscribers.add(subscriber);
    else this.#send(interest, { since, subscribers: new Set([subscriber]) });
  }

  /** Takes a subscriber off; with the last one the server is told. */
  async remove(asked: Interest, subscriber: Subscriber): Promise<void> {
    const interest = asked.mergedInto ?? asked;
    this.#takeOff(subscriber);
    for (const { subscribers } of interest.requests) subscribers.delete(subscriber);
    if (!interest.subscribers.delete(subscriber) || interest.subscribers.size > 0) return;
    this.#drop(interest);
    if (!interest.wasAsked) return;
    this.#unsubscribed.set(interest.key, interest);
    const told = this.#tellUnsubscribed(interest);
    this.#joinAgain(interest);
    await told;
  }

  /**
   * What a CONNECT should ask for, if it is not the old session that answers. It lists the topics that go on in order from
   * `since` or later, as many as it can take; others, and histories, are asked for by themselves, each from its own place.
   */
  resumeRequest(): ResumeRequest {
    const { place, principal } = this.#places;
    const going = [...this].filter(isView).flatMap(({ topic, subscribers }) => [...subscribers].map((subscriber) => ({ topic, from: subscriber.pointInOrder })));
    const since = place ?? earliest(going.map(({ from }) => from));
    const topics = going.filter(({ from }) => isCovered(from, since)).map(({ topic }) => topic);
    const isAnew = this.#places.isForgotten || this.#subscribers.some(({ isAmidHistory }) => isAmidHistory);
    return { principal, since, topics: fitting(new Set(topics)), isAnew };
  }

  connected(recovered: boolean, asked: ResumeRequest): void {
    for (const interest of this.#unsubscribed.values()) {
      if (recovered) void this.#tellUnsubscribed(interest);
      else this.#unsubscribed.delete(interest.key);
    }
    const topics = new Set(asked.topics);
    for (const interest of this) {
      cancel(interest.requests);
      // A membership of a group ends with the connection; the rest is part of the session.
      interest.isHeld &&= recovered && interest.confirmed?.group === undefined;
      const coveredFrom = topics.has(interest.topic) ? asked.since : undefined;
      for (const subscriber of interest.subscribers) {
        const point = subscriber.pointInOrder;
        // In a new session: in order, where the CONNECT asked for the topic from there on; else by a history of its own.
        if (!recovered && isCovered(point, coveredFrom)) subscriber.goOnInOrder(point);
        else if (!recovered || !subscriber.hasBegun) this.#goOnFromPlace(interest, subscriber);
        if (subscriber.isToBeAsked || (!interest.isHeld && subscriber.since === undefined)) this.ask(interest, subscriber);
      }
    }
  }

  /**
   * The server ended a watch, or a membership. It tells so again until the client has shown that it knows; a subscriber that has
   * not been confirmed since is decided by an answer of its own.
   */
  ended(topic: string, group: string | undefined, error: EventBusError): void {
    for (const interest of [...this]) {
      if (interest.topic !== topic || interest.confirmed === undefined || interest.confirmed.group !== group) continue;
      interest.isHeld = false;
      interest.confirmed = undefined;
      for (const subscriber of [...interest.subscribers]) if (subscriber.isConfirmed) this.#end(interest, subscriber, error);
    }
  }

  /** Ends all of them: they were somebody else's. */
  endAll(error: EventBusError): void {
    for (const interest of [...this]) for (const subscriber of [...interest.subscribers]) this.#end(interest, subscriber, error);
    this.#unsubscribed.clear();
  }

  /** The log goes on behind `to`, wherever this client stood. */
  lost(to: string): void {
    for (const subscriber of this.#subscribers) subscriber.restart(to);
  }

  /** No subscriber's handler is called any more. */
  stop(): void {
    for (const subscriber of this.#subscribers) subscriber.close();
  }

  /** Leaves no timer and no subscriber. */
  close(): void {
    for (const { retryTimer } of this.#unsubscribed.values()) clearTimeout(retryTimer);
    for (const { requests } of this) cancel(requests);
    this.stop();
    this.#interests.clear();
    this.#unsubscribed.clear();
  }

  get #subscribers(): Subscriber[] {
    return [...this].flatMap(({ subscribers }) => [...subscribers]);
  }

  #interestIn(wish: Wish): Interest {
    const { topic, group } = wish;
    const key = JSON.stringify({ topic, group });
    const known = this.#interests.get(key) ?? (typeof group === 'string' ? this.#ofGroup(topic, group) : undefined);
    if (known !== undefined) return known;
    const interest: Interest = { ...wish, key, subscribers: new Set(), backoff: new Backoff(kRetryFirstMs, kRetryMaxMs), requests: new Set() };
    this.#interests.set(key, interest);
    clearTimeout(this.#unsubscribed.get(key)?.retryTimer);
    this.#unsubscribed.delete(key);
    return interest;
  }

  #goOnFromPlace({ confirmed }: Interest, subscriber: Subscriber): void {
    const from = confirmed?.group === undefined ? subscriber.resumePoint : undefined;
    if (from !== undefined) subscriber.goOnFrom(from);
  }

  #send(interest: Interest, request: Request): void {
    interest.requests.add(request);
    interest.wasAsked = true;
    const { topic, group, maxInFlight } = interest;
    const options = { since: request.since, group, max_in_flight: maxInFlight }; // what is undefined is not in the JSON
    // Events, or the end of it, may come right behind the answer: they find it confirmed.
    this.#connection.send('subscribe', [topic, options], kAnswerMs, (answer) => {
      if (!interest.requests.has(request)) return;
      clearTimeout(request.timer); // it comes late
      if (answer instanceof EventBusError) this.#onRefused(interest, request, answer);
      else this.#onConfirmed(interest, request, { offset: optionalString(answer.offset) ?? '', group: optionalString(answer.group) });
    });
  }

  #onConfirmed(asked: Interest, request: Request, confirmed: Confirmed): void {
    asked.requests.delete(request);
    asked.backoff.reset();
    asked.confirmed = confirmed;
    asked.lastError = undefined;
    const interest = this.#mergeIntoTwin(asked);
    interest.isHeld ||= [...asked.requests].every(({ since }) => since !== undefined);
    const { lost, subscribers } = request;
    if (lost !== undefined) for (const subscriber of subscribers) subscriber.loseHistory(confirmed.offset);
    for (const subscriber of subscribers) subscriber.confirm(confirmed);
    if (lost !== undefined) this.#user.gap({ from: lost, to: confirmed.offset });
  }

  #onRefused(interest: Interest, request: Request, error: EventBusError): void {
    const { since } = request;
    if (error.retry === 'later' || error.code === 'token_expired') {
      interest.lastError = error;
      if (this.#connection.isLive) request.timer = setTimeout(() => this.#send(interest, request), interest.backoff.after(error));
      return; // `connected` asks
    }
    interest.requests.delete(request);
    const own = new Set<Subscriber>(); // that stood there themselves, in a log that was replaced: they go on from now
    for (const subscriber of request.subscribers) {
      if (error.code === 'bad_offset' && since !== undefined && (subscriber.isConfirmed || !subscriber.isSinceGiven)) own.add(subscriber);
      else this.#end(interest, subscriber, error);
    }
    if (own.size > 0) this.#send(interest, { since: undefined, subscribers: own, lost: since });
  }

  #end(interest: Interest, subscriber: Subscriber, error: EventBusError): void {
    if (interest.subscribers.size === 1) {
      this.#drop(interest);
      interest.subscribers.clear();
      this.#takeOff(subscriber);
    } else void this.remove(interest, subscriber);
    subscriber.end(error);
  }

  // The group named after the service, and the same by its name, are one membership: what is given to it is both's.
  #mergeIntoTwin(interest: Interest): Interest {
    const group = interest.confirmed?.group;
    const twin = group === undefined ? undefined : this.#ofGroup(interest.topic, group, interest);
    if (twin === undefined) return interest;
    for (const subscriber of interest.subscribers) twin.subscribers.add(subscriber);
    twin.confirmed ??= interest.confirmed;
    interest.mergedInto = twin;
    this.#interests.delete(interest.key);
    return twin;
  }

  #ofGroup(topic: string, group: string, except?: Interest): Interest | undefined {
    return [...this].find((other) => other !== except && other.topic === topic && nameOf(other) === group);
  }

  // Where one of two has not been told the name of its group, what the other left may have been its own membership.
  #joinAgain(left: Interest): void {
    if (!this.#connection.isLive || isSubject(left.topic) || left.group === null) return; // `connected` asks
    for (const other of this) {
      if (other.topic !== left.topic || other.group === null || (nameOf(left) !== undefined && nameOf(other) !== undefined)) continue;
      cancel(other.requests);
      this.#send(other, { since: undefined, subscribers: new Set(other.subscribers) });
    }
  }

  #drop(interest: Interest): void {
    cancel(interest.requests);
    if (this.#interests.get(interest.key) === interest) this.#interests.delete(interest.key);
  }

  #takeOff(subscriber: Subscriber): void {
    subscriber.close();
    this.#places.leave(subscriber);
  }

  async #tellUnsubscribed(interest: Interest): Promise<void> {
    clearTimeout(interest.retryTimer);
    if (!this.#connection.isLive) return; // a recovered session is told when it is back
    const { topic, group } = interest;
    try {
      await request(this.#connection, 'unsubscribe', group === undefined ? [topic] : [topic, { group }], kAnswerMs);
      if (this.#unsubscribed.get(interest.key) === interest) this.#unsubscribed.delete(interest.key);
    } catch (thrown) {
      if (!this.#connection.isLive || this.#unsubscribed.get(interest.key) !== interest) return;
      const error = asEventBusError(thrown);
      if (error.retry !== 'later') return this.#user.error(error);
      interest.retryTimer = setTimeout(() => this.#tellUnsubscribedAgain(interest), interest.backoff.after(error));
    }
  }

  // Meanwhile it may be another's membership, a subscription to the same group by its other spelling.
  #tellUnsubscribedAgain(interest: Interest): void {
    const name = nameOf(interest);
    if (name !== undefined && this.#ofGroup(interest.topic, name) !== undefined) return void this.#unsubscribed.delete(interest.key);
    void this.#tellUnsubscribed(interest);
    this.#joinAgain(interest);
  }
}

// Whether what is asked for from `since` on holds all that comes after `point`.
function isCovered(point: string | undefined, since: string | undefined): point is string {
  return point !== undefined && since !== undefined && positionOf(point) >= positionOf(since);
}

function earliest(points: readonly (string | undefined)[]): string | undefined {
  return points.filter((point) => point !== undefined).sort((a, b) => positionOf(a) - positionOf(b))[0];
}

/**
 * Whether it shows what arrives in order; the others get what their group gives them. For a type pattern without `group`
 * only the server's answer tells.
 */
export function isView({ topic, group, confirmed }: Interest): boolean {
  return isSubject(topic) || group === null || (confirmed !== undefined && confirmed.group === undefined);
}

// Of the group that it asked for, or was told.
function nameOf({ group, confirmed }: Interest): string | undefined {
  return group ?? confirmed?.group;
}

// The first that a CONNECT can take. The others are asked for by themselves, from their own places.
function fitting(topics: ReadonlySet<string>): string[] {
  let bytes = 0;
  const end = [...topics].findIndex((topic, at) => at === kTopicsMax || (bytes += new TextEncoder().encode(JSON.stringify(topic)).length + 1) > kTopicsBytesMax);
  return [...topics].slice(0, end < 0 ? undefined : end);
}

function cancel(requests: Set<Request>): void {
  for (const { timer } of requests) clearTimeout(timer);
  requests.clear();
}
