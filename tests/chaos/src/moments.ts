// Time and waiting: everything in this program waits for something that happens, with a bound.

const kBegan = performance.now();
const kPatience = 10;

/** Milliseconds since the program began; never steps. */
export const now = (): number => performance.now() - kBegan;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Wakes those who wait whenever something has happened. */
export class Happenings {
  #waiters = new Set<() => void>();
  #lastAt = 0;

  readonly happened = (): void => {
    this.#lastAt = now();
    for (const wake of this.#waiters) wake();
  };

  /** Whether `condition` came to hold within `boundMs`; it is looked at after each happening. */
  until(condition: () => boolean, boundMs: number): Promise<boolean> {
    const end = now() + boundMs;
    return this.#until(condition, () => end);
  }

  /**
   * The same, and it gives up only once nothing at all has happened for `boundMs`, or after `kPatience` times that: on a busy machine
   * everything takes longer, and only what hangs stands still.
   */
  untilStill(condition: () => boolean, boundMs: number): Promise<boolean> {
    const began = now();
    return this.#until(condition, () => Math.min(Math.max(began, this.#lastAt) + boundMs, began + kPatience * boundMs));
  }

  async #until(condition: () => boolean, end: () => number): Promise<boolean> {
    while (!condition()) {
      const left = end() - now();
      if (left <= 0) return false;
      await this.#next(left);
      await pause(2); // many happenings, one look
    }
    return true;
  }

  #next(boundMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, boundMs);
      this.#waiters.add(done);
    });
  }
}

/** How long this program itself did not get to run: what a server that waits for it can be blamed for, and what not. */
export class OwnStalls {
  readonly #stalls: { at: number; ms: number }[] = [];
  #last = now();
  readonly #timer = setInterval(() => {
    const late = now() - this.#last - 20;
    this.#last = now();
    if (late > 150) this.#stalls.push({ at: now(), ms: late });
    if (this.#stalls.length > 1000) this.#stalls.shift();
  }, 20).unref();

  worstSince(since: number): number {
    return this.#stalls.reduce((worst, { at, ms }) => (at >= since ? Math.max(worst, ms) : worst), 0);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
