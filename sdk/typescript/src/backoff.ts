const kAskedMaxMs = 3_600_000; // a longer one is a mistake

/** Growing pauses between tries, with jitter, so that many clients do not come back at once. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #tries = 0;

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** The next pause: half of the grown delay, plus up to the other half by chance; or, where the server said how long, that, up to an hour. */
  after({ retryAfterMs = 0 }: { readonly retryAfterMs?: number | undefined } = {}): number {
    if (retryAfterMs > 0) return Math.min(retryAfterMs, kAskedMaxMs);
    return Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#tries++, 30)) * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}
