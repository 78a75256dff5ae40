/**
 * The last `idsMax` ids that were seen; the oldest is forgotten first. A resume repeats at most what
 * was under way when the connection broke, so the bound is far above what is ever asked. Histories are known by their
 * places.
 */
export class RecentIds {
  readonly #ids = new Set<string>();
  readonly #idsMax: number;
  readonly #onRepeat: () => void;

  constructor(idsMax: number, onRepeat: () => void) {
    this.#idsMax = idsMax;
    this.#onRepeat = onRepeat;
  }

  /** Takes `id` in. False: it was there already. */
  add(id: string): boolean {
    if (this.#ids.has(id)) {
      this.#onRepeat();
      return false;
    }
    if (this.#ids.size >= this.#idsMax) this.#ids.delete(this.#ids.values().next().value!); // the oldest
    this.#ids.add(id);
    return true;
  }
}
