import type { EventBusError } from './errors.js';
import type { AnyEvent, UntypedEvents } from './event.js';
import { identityOf } from './event.js';
import type { UntypedHandler } from './handler.js';
import { call } from './handler.js';
import { Intake } from './intake.js';
import { positionOf } from './offset.js';
import type { PlaceStore } from './place-store.js';
import { RecentIds } from './recent-ids.js';

type Event = AnyEvent<UntypedEvents>;

const kHeldMax = 1_000; // events
const kHistoryQuietMs = 1_000; // nothing says where a history ends if nothing comes behind it

/** What the server said when it confirmed. */
export interface Confirmed {
  /** What comes after it is sent. */
  readonly offset: string;
  readonly group: string | undefined;
}

export interface SubscriberOptions {
  readonly topic: string;
  readonly handler: UntypedHandler;
  /** As the application gave it. */
  readonly since: string | undefined;
  readonly repeatsMax: number;
  readonly concurrency: number | undefined;
  readonly onEnd: ((error: EventBusError) => void) | undefined;
  /** Its promise: confirmed, or why not. May be told more than once. */
  readonly onSettled: (outcome: Confirmed | EventBusError) => void;
  readonly onHandlerFailed: (thrown: unknown) => void;
  /** It had more than it could keep, has handled that, and has to ask for the rest. */
  readonly onHungry: () => void;
}

/**
 * One handler, and what it is owed: from the offset at which it was confirmed, each event once and in order. Its history is
 * its own: what comes in order meanwhile is held back until the history has passed it.
 */
export class Subscriber {
  readonly topic: string;
  readonly handler: UntypedHandler;
  readonly onEnd: ((error: EventBusError) => void) | undefined;
  /** The application said where its history begins. */
  readonly isSinceGiven: boolean;
  readonly #onSettled: (outcome: Confirmed | EventBusError) => void;
  readonly #onHungry: () => void;
  readonly #seen: RecentIds;
  readonly #intake: Intake;
  #since: string | undefined;
  #isConfirmed = false;
  #isHolding = true; // what comes in order, until the server has said from where it comes
  #isFull = false;
  #after = -1; // the position up to which nothing is for it: a session that goes on brings older events, for others, once more
  #historyAfter = Infinity; // the position up to which no history holds anything for it
  #start: string | undefined; // where it began in this session, and how many places had come
  #placesAtStart = 0;
  #held: Event[] = [];
  #quietTimer: ReturnType<typeof setTimeout> | undefined;

  constructor({ topic, handler, since, repeatsMax, concurrency, onEnd, onSettled, onHandlerFailed, onHungry }: SubscriberOptions) {
    this.topic = topic;
    this.handler = handler;
    this.onEnd = onEnd;
    this.isSinceGiven = since !== undefined;
    this.#since = since;
    this.#onSettled = onSettled;
    this.#onHungry = onHungry;
    this.#seen = new RecentIds(repeatsMax);
    this.#intake = new Intake((event) => call(handler, event, undefined).catch(onHandlerFailed), concurrency, () => this.#onDrained());
  }

  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  /** How far its history has come; undefined: it has none, or all that it is still owed comes in order. */
  get since(): string | undefined {
    return this.#since;
  }

  /** Whether the server has to be asked for it: until it is confirmed, and for a history that this session does not bring. */
  get isToBeAsked(): boolean {
    return !this.#isFull && (this.#isHolding || !this.#isConfirmed);
  }

  /** Where it has to go on in another session: with its history; at the last place; or where it began, if none has come since. */
  resumePoint(places: PlaceStore): string | undefined {
    if (this.#since !== undefined) return this.#since;
    if (this.#start === undefined) return places.restoredFor(this.topic);
    return places.count > this.#placesAtStart ? places.place : this.#start;
  }

  /** Another session is to bring its history, from `since` on. */
  goOnFrom(since: string): void {
    this.#since = since;
    this.#isHolding = true;
  }

  /** Another session brings in order all that it is owed, from `start` on. `places`: how many have come. */
  goOnInOrder(start: string, places: number): void {
    this.#start = start;
    this.#placesAtStart = places;
    this.#isHolding = false;
  }

  /** `places`: how many have come. */
  confirm(confirmed: Confirmed, places: number): void {
    const { offset } = confirmed;
    const start = positionOf(offset);
    if (!this.#isConfirmed) {
      this.#historyAfter = start;
      this.#after = positionOf(this.#isHolding ? offset : (this.#start ?? offset));
    }
    this.#isConfirmed = true;
    if (this.#isHolding) {
      this.#start = offset;
      this.#placesAtStart = places;
      this.#isHolding = false;
    }
    this.#held = this.#held.filter((event) => positionOf(event.offset) > start);
    this.#onSettled(confirmed);
    if (this.#since === undefined) this.#release();
    else this.#releaseWhenQuiet();
  }

  /** The log goes on behind `to`, wherever this stood. */
  restart(to: string): void {
    if (!this.#isConfirmed) return;
    this.#since = undefined;
    this.#after = this.#historyAfter = positionOf(to);
  }

  refuse(error: EventBusError): void {
    this.#onSettled(error);
  }

  /** Whether an event of a history, at `position`, is new to it. */
  isNew(position: number): boolean {
    return !this.#isFull && this.#isConfirmed && this.#since !== undefined && position > this.#historyAfter;
  }

  /** An event of a history. `isItsOwn`: the history can be no other topic's. */
  takeOfHistory(event: Event, isItsOwn: boolean): void {
    const position = positionOf(event.offset);
    while (this.#held.length > 0 && positionOf(this.#held[0]!.offset) < position) this.#take(this.#held.shift()!);
    if (isItsOwn) {
      this.#historyAfter = position;
      this.#since = event.offset;
    }
    this.#take(event);
    this.#releaseWhenQuiet();
  }

  /** An event in order. */
  takeInOrder(event: Event): void {
    if (this.#isFull) return; // its history will bring it
    if (this.#isHolding) {
      this.#held.push(event);
      if (this.#held.length >= kHeldMax) this.#release(); // out of order is better than lost
      return;
    }
    this.#release();
    this.#since = undefined; // its history has come before
    this.#take(event);
  }

  /** Leaves no timer, and calls the handler no more. */
  close(): void {
    clearTimeout(this.#quietTimer);
    this.#held = [];
    this.#intake.close();
  }

  #take(event: Event): void {
    if (this.#isFull || positionOf(event.offset) <= this.#after || !this.#seen.add(identityOf(event)) || this.#intake.add(event)) return;
    this.#isFull = true;
    this.#since = event.offset;
  }

  #onDrained(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#isHolding = true;
    this.#onHungry();
  }

  #releaseWhenQuiet(): void {
    clearTimeout(this.#quietTimer);
    if (this.#held.length > 0) this.#quietTimer = setTimeout(() => this.#release(), kHistoryQuietMs);
  }

  #release(): void {
    clearTimeout(this.#quietTimer);
    for (const event of this.#held.splice(0)) this.#take(event);
  }
}
