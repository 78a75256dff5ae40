/** Things that happened, to wait for. */
export class Seen<Thing> {
  readonly things: Thing[] = [];
  #waiters: (() => void)[] = [];

  readonly add = (thing: Thing): void => {
    this.things.push(thing);
    for (const wake of this.#waiters.splice(0)) wake();
  };

  /** All so far, once there are `count`. */
  atLeast(count: number): Promise<Thing[]> {
    return this.until((things) => things.length >= count);
  }

  /** All so far, once `condition` holds for them. */
  async until(condition: (things: Thing[]) => boolean): Promise<Thing[]> {
    while (!condition(this.things)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.things;
  }
}
