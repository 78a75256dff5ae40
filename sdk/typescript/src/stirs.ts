/** Tells when there is a reason to try now: the network is back, or somebody looks at the page again. In Node there is none. */
export class Stirs {
  readonly #onStir: () => void;
  readonly #onVisible = () => {
    if (globalThis.document.visibilityState === 'visible') this.#onStir();
  };

  constructor(onStir: () => void) {
    this.#onStir = onStir;
  }

  listen(): void {
    globalThis.addEventListener?.('online', this.#onStir);
    globalThis.document?.addEventListener('visibilitychange', this.#onVisible);
  }

  end(): void {
    globalThis.removeEventListener?.('online', this.#onStir);
    globalThis.document?.removeEventListener('visibilitychange', this.#onVisible);
  }
}
