import type { AnyEvent, UntypedEvents } from './event.js';

type Event = AnyEvent<UntypedEvents>;

const kWaitingMax = 1_000; // events

/**
 * Hands events to a handler, all at once or at most `concurrency` at a time. The others wait, in order, up to 1,000: the
 * log keeps what is behind them.
 */
export class Intake {
  readonly #handle: (event: Event) => Promise<void>;
  readonly #concurrency: number;
  readonly #onDrained: () => void;
  readonly #waiting: Event[] = [];
  #running = 0;
  #isClosed = false;

  /** `handle` never rejects. `onDrained`: nothing waits any more. */
  constructor(handle: (event: Event) => Promise<void>, concurrency: number = Infinity, onDrained: () => void) {
    this.#handle = handle;
    this.#concurrency = concurrency;
    this.#onDrained = onDrained;
  }

  /** False: it was taken, and there is no room for another. */
  add(event: Event): boolean {
    if (this.#running < this.#concurrency) void this.#run(event);
    else this.#waiting.push(event);
    return this.#waiting.length < kWaitingMax;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  async #run(event: Event): Promise<void> {
    ++this.#running;
    await this.#handle(event);
    --this.#running;
    if (this.#isClosed) return;
    const next = this.#waiting.shift();
    if (next !== undefined) void this.#run(next);
    else this.#onDrained();
  }
}
