/** Pseudo-random choices that are the same for the same seed and name, whatever the others draw. */
export class Chance {
  readonly #seed: string;
  #state: [number, number, number, number];

  constructor(seed: number | string, name: string) {
    this.#seed = `${seed}/${name}`;
    const word = (salt: number): number => {
      let hash = 2166136261 ^ salt;
      for (const char of this.#seed) hash = Math.imul(hash ^ char.codePointAt(0)!, 16777619);
      return hash >>> 0;
    };
    this.#state = [word(1), word(2), word(3), 1];
    for (let i = 0; i < 15; ++i) this.next();
  }

  /** Another source that depends on this one's seed alone. */
  child(name: string): Chance {
    return new Chance(this.#seed, name);
  }

  /** sfc32: 0 to below 1. */
  next(): number {
    let [a, b, c, d] = this.#state;
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    this.#state = [a, b, c | 0, d];
    return (sum >>> 0) / 4294967296;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** From `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  yes(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  some<T>(list: readonly T[], count: number): T[] {
    const rest = [...list];
    const taken: T[] = [];
    while (rest.length > 0 && taken.length < count) taken.push(...rest.splice(this.below(rest.length), 1));
    return taken;
  }
}
