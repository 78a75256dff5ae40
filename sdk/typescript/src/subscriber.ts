import type { EventBusError } from './errors.js';
import type { AnyEvent, UntypedEvents } from './event.js';
import { identityOf } from './event.js';
import type { DeliveryContext, UntypedHandler } from './handler.js';
import { call } from './handler.js';
import type { Handling } from './handling.js';
import { Intake } from './intake.js';
import { positionOf } from './offset.js';
import type { PlaceOwner, PlaceStore } from './place-store.js';
import type { RecentIds } from './recent-ids.js';
import { inTurns } from './turns.js';

type Event = AnyEvent<UntypedEvents>;

/** What the server said when it confirmed. */
export interface Confirmed {
  /** What comes after it is sent. */
  readonly offset: string;
  readonly group: string | undefined;
}

export interface SubscriberOptions {
  readonly topic: string;
  readonly handler: UntypedHandler;
  readonly handling: Handling;
  /** As the application gave it. */
  readonly since: string | undefined;
  /** What it knows repeats by. */
  readonly seen: RecentIds;
  readonly places: PlaceStore;
  readonly concurrency: number | undefined;
  /** Its promise: confirmed, or why not. May be told more than once. */
  readonly onSettled: (outcome: Confirmed | EventBusError) => void;
  /** It was confirmed, and will not be served any more. */
  readonly onEnded: (error: EventBusError) => void;
  readonly onHandlerFailed: (thrown: unknown) => void;
  /** It had more than it could keep, has handled that, and has to ask for the rest. */
  readonly onHungry: () => void;
  /** It is not called any more. */
  readonly onClosed: () => void;
}

/**
 * One handler, and what it is owed: from the offset at which it was confirmed, each event once and in order. Its history is
 * its own. What comes in order before the server has answered lies before that offset, or is in the history.
 */
export class Subscriber implements PlaceOwner {
  readonly topic: string;
  /** The application said where its history begins. */
  readonly isSinceGiven: boolean;
  readonly #onSettled: (outcome: Confirmed | EventBusError) => void;
  readonly #onEnded: (error: EventBusError) => void;
  readonly #onHungry: () => void;
  readonly #onClosed: () => void;
  readonly #handler: UntypedHandler;
  readonly #inTurn: ReturnType<typeof inTurns>;
  readonly #seen: RecentIds;
  readonly #places: PlaceStore;
  readonly #intake: Intake;
  #since: string | undefined;
  #lost: string | undefined; // `since`, if it may be of a log that was replaced
  #start: string | undefined; // where it began in this session, and how many places had come
  #placesAtStart = 0;
  #isConfirmed = false;
  #isWaiting = true; // for the answer that says from where events come
  #isFull = false;
  #after = -1; // the position up to which nothing is for it: a session that goes on brings older events, for others, once more
  #historyAfter = -1; // the position up to which its history has come

  constructor({ topic, handler, handling, since, seen, places, concurrency = Infinity, onSettled, onEnded, onHandlerFailed, onHungry, onClosed }: SubscriberOptions) {
    this.topic = topic;
    this.#handler = handler;
    this.#inTurn = inTurns(concurrency);
    this.isSinceGiven = since !== undefined;
    this.#since = since;
    this.#onSettled = onSettled;
    this.#onEnded = onEnded;
    this.#onHungry = onHungry;
    this.#onClosed = onClosed;
    this.#seen = seen;
    this.#places = places;
    this.#intake = new Intake((event) => handling.run(() => call(handler, event, undefined).catch(onHandlerFailed)), concurrency, { drained: () => this.#onDrained(), moved: () => places.writeSoon() });
  }

  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  /** Whether it is known where it begins: it is confirmed, or goes on from an earlier page. */
  get hasBegun(): boolean {
    return this.#start !== undefined;
  }

  /** How far its history has come; undefined: it has none, or all that it is still owed comes in order. */
  get since(): string | undefined {
    return this.#since;
  }

  /** Whether the server has to be asked for it: until it is confirmed, and for a history that this session does not bring. */
  get isToBeAsked(): boolean {
    return !this.#isFull && (this.#isWaiting || !this.#isConfirmed);
  }

  /** Where it has to go on in another session: with its history; at the last place; or where it began, if none has come since. */
  get resumePoint(): string | undefined {
    return this.#since ?? this.pointInOrder;
  }

  /** The same, if nothing of a history is owed. */
  get pointInOrder(): string | undefined {
    if (this.#since !== undefined) return undefined;
    return this.#start === undefined ? this.#places.inheritedBy(this) : this.#lastPoint;
  }

  /** Whether a history is under way, and has come a part of its way. */
  get isAmidHistory(): boolean {
    return this.#isConfirmed && this.#since !== undefined && this.#since !== this.#start;
  }

  /** Where another page has to go on, once it has begun: as `resumePoint`, but for events that wait here for their turn. */
  get pointInPage(): string | undefined {
    if (this.#start === undefined) return undefined;
    return this.#intake.givenUpTo ?? (this.#since === this.#lost ? undefined : this.#since) ?? this.#lastPoint;
  }

  get #lastPoint(): string | undefined {
    return this.#places.count > this.#placesAtStart ? this.#places.place : this.#start;
  }

  /** Calls the handler with a group's event, when it is its turn. Rejects as the handler does. */
  handleOfGroup(event: Event, delivery: DeliveryContext): Promise<void> {
    return this.#inTurn(() => call(this.#handler, event, delivery));
  }

  /** Another session is to bring its history, from `since` on. */
  goOnFrom(since: string): void {
    this.#since = since;
    this.#isWaiting = true;
  }

  /** Another session brings in order all that it is owed, from `start` on. */
  goOnInOrder(start: string): void {
    if (this.#start === undefined) this.#after = positionOf(start);
    this.#begin(start);
  }

  confirm(confirmed: Confirmed): void {
    const { offset, group } = confirmed;
    const isNew = this.#start === undefined;
    if (isNew) this.#after = this.#historyAfter = positionOf(offset);
    if (this.#isWaiting) this.#begin(offset);
    this.#lost = undefined;
    this.#isConfirmed = true;
    if (group !== undefined) this.#places.leave(this); // which has a place of its own
    else if (isNew) this.#places.write();
    this.#onSettled(confirmed);
  }

  /** The log goes on behind `to`, wherever this stood; of a history its own answer decides. */
  restart(to: string): void {
    if (this.#start === undefined) return;
    if (this.#since === undefined) this.#start = to;
    this.#lost = this.#since;
    this.#intake.restart(to);
    this.#after = Math.min(this.#after, positionOf(to));
    this.#historyAfter = Math.min(this.#historyAfter, positionOf(to));
  }

  /** What it was to go on from is not of this log: it goes on behind `to`. */
  loseHistory(to: string): void {
    this.#since = undefined;
    this.restart(to);
  }

  refuse(error: EventBusError): void {
    this.#onSettled(error);
  }

  /** The server will not serve it, or not any more. */
  end(error: EventBusError): void {
    if (this.#isConfirmed) this.#onEnded(error);
    else this.refuse(error);
  }

  /** Whether an event of a history, at `position`, is new to it. */
  isNew(position: number): boolean {
    return !this.#isFull && !this.#isWaiting && this.#since !== undefined && position > this.#historyAfter;
  }

  /** An event of a history. `isItsOwn`: the history can be no other topic's. */
  takeOfHistory(event: Event, isItsOwn: boolean): void {
    if (isItsOwn) {
      this.#historyAfter = positionOf(event.offset);
      this.#since = event.offset;
      this.#places.writeSoon();
    }
    this.#take(event);
  }

  /** An event in order. */
  takeInOrder(event: Event): void {
    if (this.#isWaiting || this.#isFull) return; // its history brings it
    this.#since = undefined; // that has come before
    this.#take(event);
  }

  /** Calls the handler no more. */
  close(): void {
    this.#intake.close();
    this.#onClosed();
  }

  #begin(start: string): void {
    this.#start = start;
    this.#placesAtStart = this.#places.count;
    this.#isWaiting = false;
  }

  #take(event: Event): void {
    if (positionOf(event.offset) <= this.#after || !this.#seen(identityOf(event)) || this.#intake.add(event)) return;
    this.#isFull = true;
    this.#since = event.offset;
  }

  #onDrained(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#isWaiting = true;
    this.#historyAfter = positionOf(this.#since ?? '');
    this.#onHungry();
  }
}
