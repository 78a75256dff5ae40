import { callContext } from './call-context.js';

/** The handlers that are at work, whatever gave them their events. */
export class Handling {
  readonly #running = new Set<object>();
  readonly #waitingHere = new WeakSet<object>();
  readonly #caller = callContext<object>();
  readonly #waiters: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];

  get isAtWork(): boolean {
    return this.#running.size > 0;
  }

  /** Whether it is a handler at work that calls; what one has left behind, such as a timer, is none. */
  get isOwn(): boolean {
    return this.#running.has(this.#caller.getStore() ?? {});
  }

  async run(work: () => Promise<void>): Promise<void> {
    const own = {};
    this.#running.add(own);
    try {
      await this.#caller.run(own, work);
    } finally {
      this.#running.delete(own);
      this.#look();
    }
  }

  /** When no handler is at work, but for those that wait for the others here. */
  othersIdle(): Promise<void> {
    this.#waitingHere.add(this.#caller.getStore() ?? {});
    return this.#until(() => [...this.#running].every((one) => this.#waitingHere.has(one)));
  }

  idle(): Promise<void> {
    return this.#until(() => this.#running.size === 0);
  }

  #look(): void {
    for (const { isOver, resolve } of this.#waiters) if (isOver()) resolve();
  }

  #until(isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ isOver, resolve });
      this.#look();
    });
  }
}
