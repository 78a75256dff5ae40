// What all parts of a run share: the server, what was published, what is under way, and what was found.
import type { BusServer } from '../server.ts';
import type { Happenings } from '../moments.ts';
import { now } from '../moments.ts';

/** Something that must not be. */
export interface Fault {
  /** Counted by it. */
  readonly kind: string;
  readonly who: string;
  readonly text: string;
  readonly at: number;
  /** Words by which the lines of the trace are found that tell how it came about. */
  readonly words: readonly string[];
  /** It is owed, and nothing says yet that it will not come. */
  readonly mayStillCome?: true;
}

/** An event that was given to `publish`. */
export interface Fact {
  readonly id: string;
  /** The client, and the number of its call: what one client publishes is stored in the order of its calls. */
  readonly by: string;
  readonly call: number;
  readonly calledAt: number;
  /** Where it is stored, as its publisher was told; the code of a refusal; undefined: no answer yet. */
  outcome: { readonly offset: string } | { readonly code: string } | undefined;
}

export class World {
  readonly server: BusServer;
  readonly happenings: Happenings;
  readonly found: Fault[] = [];
  readonly facts = new Map<string, Fact>();
  /** Recent offsets: what a `since` may name. */
  readonly offsets: string[] = [];
  /** Promises that have not settled, by what was asked. */
  readonly pending = new Map<symbol, string>();
  readonly without: readonly string[];
  isWild = false;
  /** The last promise that settled. */
  settledLast = '';
  events = 0;

  constructor(server: BusServer, happenings: Happenings, without: readonly string[]) {
    this.server = server;
    this.happenings = happenings;
    this.without = without;
  }

  fault(kind: string, who: string, text: string, ...words: string[]): void {
    this.found.push({ kind, who, text, at: now(), words });
  }

  /** The same promise; until it has settled, it is one without an end. */
  track<T>(what: string, promise: Promise<T>): Promise<T> {
    const key = Symbol(what);
    this.pending.set(key, what);
    const done = (): void => {
      this.pending.delete(key);
      this.settledLast = what;
      this.happenings.happened();
    };
    promise.then(done, done);
    return promise;
  }
}
