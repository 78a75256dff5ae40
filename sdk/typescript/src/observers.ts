/** Handlers of one kind of news. One that throws does not keep the others from hearing it. */
export class Observers<News> {
  readonly #handlers = new Set<(news: News) => void>();

  get size(): number {
    return this.#handlers.size;
  }

  /** Returns the function that takes `handler` off again. */
  add(handler: (news: News) => void): () => void {
    const own = (news: News) => handler(news); // so that the same function added twice is two
    this.#handlers.add(own);
    return () => this.#handlers.delete(own);
  }

  tell(news: News): void {
    for (const handler of [...this.#handlers]) {
      try {
        handler(news);
      } catch (thrown) {
        console.error('eventbus: an observer threw', thrown);
      }
    }
  }
}
