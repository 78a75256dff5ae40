import { checkHandler } from './arguments.js';
import { consoleLogger } from './logger.js';

/**
 * Handlers of one kind of news. One that throws, or returns a promise that rejects, does not keep the others from
 * hearing it: `onFailure` is told.
 */
export class Observers<News> {
  readonly #handlers = new Set<(news: News) => unknown>();
  readonly #onFailure: (thrown: unknown) => void;

  constructor(onFailure: (thrown: unknown) => void = (thrown) => consoleLogger.error('eventbus:', thrown)) {
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#handlers.size;
  }

  /** Returns the function that takes `handler` off again. */
  add(handler: (news: News) => unknown): () => void {
    checkHandler(handler);
    const own = (news: News) => handler(news); // so that the same function added twice is two
    this.#handlers.add(own);
    return () => this.#handlers.delete(own);
  }

  tell(news: News): void {
    for (const handler of [...this.#handlers]) void this.tellOne(handler, news);
  }

  async tellOne(handler: (news: News) => unknown, news: News): Promise<void> {
    try {
      await handler(news);
    } catch (thrown) {
      this.#onFailure(thrown);
    }
  }
}
