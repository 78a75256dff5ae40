import { CallContext } from './call-context.js';

/** The handlers that are at work, whatever gave them their events. */
export class Handling {
  readonly #running = new Set<object>();
  readonly #caller = new CallContext<object>();
  #waiters: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];

  get isAtWork(): boolean {
    return this.#running.size > 0;
  }

  /** Whether it is a handler that calls. */
  get isOwn(): boolean {
    return this.#caller.get() !== undefined;
  }

  async run(work: () => Promise<void>): Promise<void> {
    const own = {};
    this.#running.add(own);
    try {
      await this.#caller.run(own, work);
    } finally {
      this.#running.delete(own);
      for (const { isOver, resolve } of this.#waiters) if (isOver()) resolve();
    }
  }

  /** When no handler is at work, but for the one that calls. */
  othersIdle(): Promise<void> {
    const own = this.#caller.get();
    return this.#until(() => this.#running.size === (own !== undefined && this.#running.has(own) ? 1 : 0));
  }

  idle(): Promise<void> {
    return this.#until(() => this.#running.size === 0);
  }

  #until(isOver: () => boolean): Promise<void> {
    return isOver() ? Promise.resolve() : new Promise((resolve) => this.#waiters.push({ isOver, resolve }));
  }
}
