/** Lets at most `max` run at once; the others wait, in their order. */
export class Turns {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  async run(work: () => Promise<void>): Promise<void> {
    if (this.#running < this.#max) ++this.#running;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // its turn is handed over
    try {
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) --this.#running;
      else next();
    }
  }
}
