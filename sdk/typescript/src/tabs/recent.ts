import { positionOf } from '../position.js';

const kEventsMax = 1_000;
const kCharsMax = 1024 * 1024;

interface Kept {
  readonly position: number;
  readonly name: string;
  readonly json: string; // of the arguments: a handler of this tab may change those that it was given
}

/**
 * The newest events that came in order, at most 1,000 of them and 1 MiB: for tabs that were loaded again. Past a bound
 * the oldest go, and a tab that would need them makes the connection begin anew from its place.
 */
export class Recent {
  #events: Kept[] = [];
  #chars = 0;
  #base = Infinity; // the position after which everything is kept
  #place: string | undefined;

  /** The last place; undefined: none is known. */
  get place(): string | undefined {
    return this.#place;
  }

  /** Nothing is kept, and everything after `place` will come. */
  begin(place: string | undefined): void {
    this.#events = [];
    this.#chars = 0;
    this.#place = place;
    this.#base = place === undefined ? Infinity : positionOf(place);
  }

  push(place: string, name: string, args: readonly unknown[]): void {
    this.#place = place;
    const position = positionOf(place);
    if (this.#base === Infinity) this.#base = position; // what came before it, nobody knows
    else {
      const json = JSON.stringify(args);
      this.#events.push({ position, name, json });
      this.#chars += json.length;
    }
    while (this.#events.length > kEventsMax || this.#chars > kCharsMax) {
      const oldest = this.#events.shift()!;
      this.#chars -= oldest.json.length;
      this.#base = oldest.position;
    }
  }

  /** Whether all that came in order after `place` is kept, or will come. */
  covers(place: string): boolean {
    return positionOf(place) >= this.#base;
  }

  after(place: string): { name: string; args: unknown[] }[] {
    const position = positionOf(place);
    return this.#events.filter((kept) => kept.position > position).map(({ name, json }) => ({ name, args: JSON.parse(json) as unknown[] }));
  }
}
