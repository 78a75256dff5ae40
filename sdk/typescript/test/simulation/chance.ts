/** Random numbers from a seed (sfc32): the same seed, the same numbers. */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  /** `stream`: so that one more number for one purpose leaves those for the others as they were. */
  constructor(seed: number, stream: string) {
    this.#a = seed | 0;
    this.#b = hash(stream);
    this.#c = (seed / 2 ** 32) | 0;
    for (let i = 0; i < 15; ++i) this.unit();
  }

  /** From 0, below 1. */
  unit(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** True with this probability. */
  is(probability: number): boolean {
    return this.unit() < probability;
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.unit() * (most - least + 1));
  }

  of<Thing>(things: readonly Thing[]): Thing {
    return things[this.whole(0, things.length - 1)]!;
  }

  /** One of several, each as often as its weight says. */
  weighted<Thing>(things: readonly (readonly [weight: number, thing: Thing])[]): Thing {
    let at = this.unit() * things.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, thing] of things) {
      at -= weight;
      if (at < 0) return thing;
    }
    return things[things.length - 1]![1];
  }
}

function hash(text: string): number {
  let value = 2_166_136_261;
  for (let i = 0; i < text.length; ++i) value = Math.imul(value ^ text.charCodeAt(i), 16_777_619);
  return value;
}
