import type { AnyEvent, UntypedEvents } from './event.js';

type Event = AnyEvent<UntypedEvents>;

const kWaitingMax = 1_000; // events

interface Waiting {
  readonly event: Event;
  offset: string; // where another page goes on behind it
}

/** Who hears what becomes of the events that wait. */
export interface IntakeUser {
  /** One more waits, or one less. */
  moved(): void;
  /** Nothing waits any more. */
  drained(): void;
}

/**
 * Hands events to a handler, all at once or at most `concurrency` at a time. The others wait, in order, up to 1,000: the
 * log keeps what is behind them.
 */
export class Intake {
  readonly #handle: (event: Event) => Promise<void>;
  readonly #concurrency: number;
  readonly #user: IntakeUser;
  readonly #waiting: Waiting[] = [];
  #given: string | undefined; // the offset of the last one that the handler was given
  #running = 0;
  #isClosed = false;

  /** `handle` never rejects. */
  constructor(handle: (event: Event) => Promise<void>, concurrency: number, user: IntakeUser) {
    this.#handle = handle;
    this.#concurrency = concurrency;
    this.#user = user;
  }

  /** The offset up to which the handler has been given what came; undefined: all of it. */
  get givenUpTo(): string | undefined {
    return this.#waiting.length === 0 ? undefined : this.#given;
  }

  /** False: it was taken, and there is no room for another. */
  add(event: Event): boolean {
    if (this.#isClosed) return true;
    const next = { event, offset: event.offset };
    if (this.#running < this.#concurrency) void this.#run(next);
    else {
      this.#waiting.push(next);
      this.#user.moved();
    }
    return this.#waiting.length < kWaitingMax;
  }

  /** The log goes on behind `to`: what waits here can be had nowhere else. */
  restart(to: string): void {
    this.#given = to;
    for (const one of this.#waiting) one.offset = to;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  async #run({ event, offset }: Waiting): Promise<void> {
    ++this.#running;
    this.#given = offset;
    await this.#handle(event);
    --this.#running;
    if (this.#isClosed) return;
    const next = this.#waiting.shift();
    if (next === undefined) return this.#user.drained();
    void this.#run(next);
    this.#user.moved();
  }
}
