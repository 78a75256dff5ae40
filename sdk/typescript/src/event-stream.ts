import type { EventBusError } from './errors.js';
import type { DeliveryContext } from './handler.js';

/** Why a group's event that a loop was not through with is given out again. */
export class LoopLeft extends Error {}

interface Taken<Event> {
  readonly event: Event;
  /** The consumer has come back for the next one. */
  readonly done: () => void;
  /** It will not come back: it has left the loop in the middle of this one. */
  readonly left: (reason: Error) => void;
}

/**
 * Events for a `for await` loop, one at a time: the next is given once the loop's body is through with the one before.
 * Leaving the loop ends it, and so does an error, which the loop throws.
 */
export class EventStream<Event> implements AsyncIterableIterator<Event> {
  readonly #onOver: () => void;
  readonly #offered: Taken<Event>[] = [];
  #current: Taken<Event> | undefined;
  #end: { readonly error: EventBusError | undefined } | undefined;
  #wake: () => void = () => {};
  #turn: Promise<unknown> = Promise.resolve(); // of the last `next`

  /** `onOver` is called once the consumer has been given the last. */
  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** A handler. It resolves when the consumer is through with `event`; a group's event that it was not through with is given out again. */
  readonly offer = (event: Event, delivery: DeliveryContext | undefined): Promise<void> => {
    return new Promise((done, reject) => {
      this.#offered.push({ event, done, left: delivery === undefined ? () => done() : reject });
      this.#wake();
    });
  };

  /** Nothing more comes: what has been offered is given, then the loop ends, by `error` if there is one. */
  end(error?: EventBusError): void {
    this.#end ??= { error };
    this.#wake();
  }

  next(): Promise<IteratorResult<Event>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => {});
    return result;
  }

  async #next(): Promise<IteratorResult<Event>> {
    this.#current?.done();
    this.#current = undefined;
    while (this.#offered.length === 0) {
      if (this.#end !== undefined) return this.#finish(this.#end.error);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#current = this.#offered.shift();
    return { done: false, value: this.#current!.event };
  }

  async return(): Promise<IteratorResult<Event>> {
    const left = new LoopLeft('The loop over the events was left.');
    for (const taken of [this.#current, ...this.#offered.splice(0)]) taken?.left(left);
    this.#current = undefined;
    return this.#finish();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(error?: EventBusError): IteratorResult<Event> {
    this.#end = { error: undefined }; // a loop throws it once
    this.#wake();
    this.#onOver();
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }
}
