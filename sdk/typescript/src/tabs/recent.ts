import { positionOf } from '../offset.js';

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
  readonly #epochs = new Set<string>(); // of the places of this log

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
    this.#epochs.clear();
    if (place !== undefined) this.#epochs.add(epochOf(place));
  }

  /** Nothing came in order up to `place` but what was pushed. */
  pass(place: string): void {
    this.#place = place;
    this.#epochs.add(epochOf(place));
    if (this.#base === Infinity) this.#base = positionOf(place); // what came before it, nobody knows
  }

  push(place: string, name: string, args: readonly unknown[]): void {
    this.pass(place);
    const json = JSON.stringify(args);
    this.#events.push({ position: positionOf(place), name, json });
    this.#chars += json.length;
    while (this.#events.length > kEventsMax || this.#chars > kCharsMax) {
      const oldest = this.#events.shift()!;
      this.#chars -= oldest.json.length;
      this.#base = oldest.position;
    }
  }

  /** Whether all that came in order after `place` is kept, or will come. `isVerified`: it is of this log. */
  covers(place: string, isVerified: boolean): boolean {
    return positionOf(place) >= this.#base && (isVerified || this.knows(place));
  }

  /** Whether `place` is of this log; if not, the server has to be asked. */
  knows(place: string): boolean {
    return this.#epochs.has(epochOf(place));
  }

  after(place: string): { name: string; args: unknown[] }[] {
    const position = positionOf(place);
    return this.#events.filter((kept) => kept.position > position).map(({ name, json }) => ({ name, args: JSON.parse(json) as unknown[] }));
  }
}

function epochOf(place: string): string {
  return place.slice(0, place.lastIndexOf('.'));
}
