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

  /** The next pause: half of the grown delay, plus up to the other half by chance. */
  nextMs(): number {
    const grown = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#tries++, 30));
    return grown * (0.5 + Math.random() / 2);
  }

  /** As `nextMs`, but where the server said how long: that, up to an hour. */
  after({ retryAfterMs = 0 }: { readonly retryAfterMs?: number | undefined } = {}): number {
    return retryAfterMs > 0 ? Math.min(retryAfterMs, kAskedMaxMs) : this.nextMs();
  }

  reset(): void {
    this.#tries = 0;
  }
}
