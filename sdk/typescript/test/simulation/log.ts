import { World } from './world.js';

/** A stored event. */
export interface Entry {
  /** Of all that was ever stored, in this log or one before it. */
  readonly sequence: number;
  readonly position: number;
  readonly offset: string;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
  readonly time: string;
  /** Which log it is in: 1, and one more for each that began anew. */
  readonly log: number;
  /** Of one about a subject: which users watch that may see it. */
  visibleTo?: ReadonlySet<string>;
}

export const kUsers = ['ann', 'bob', 'carl'];

export interface NewEntry {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The log of the bus, and the rights that its entries give and take. */
export class Log {
  entries: Entry[] = [];
  /** All that was ever stored, by sequence; the first has 1. */
  readonly everything: Entry[] = [];
  /** Every offset that there ever was, with how many events had been stored by then, in all logs. */
  readonly sequences = new Map<string, number>();
  #epoch = 1;
  #firstEpoch = 1;
  #sequence = 0;
  #logs = 1;
  #rights = new Map<string, Right[]>();

  constructor() {
    this.sequences.set(this.offsetAt(0), 0);
  }

  get end(): number {
    return this.entries.length;
  }

  get endSequence(): number {
    return this.#sequence;
  }

  append({ id, source, type, data }: NewEntry): Entry {
    const position = this.entries.length + 1;
    const subject = typeof data.photoId === 'string' ? `photo:${data.photoId}` : undefined;
    const entry: Entry = { sequence: ++this.#sequence, position, offset: `${this.#epoch}.${position}`, id, source, type, subject, data, time: new Date(World.current.date).toISOString(), log: this.#logs };
    this.entries.push(entry);
    this.everything.push(entry);
    this.sequences.set(entry.offset, entry.sequence);
    if (subject === undefined) return entry;
    const user = data.user as string | undefined;
    if (user !== undefined) {
      const rights = this.#rightsOf(user, subject);
      const last = rights[rights.length - 1]!;
      if (type === 'photo.shared' && last.until !== undefined) rights.push({ since: position, until: undefined });
      if (type === 'photo.unshared' && last.until === undefined) last.until = position;
    }
    entry.visibleTo = new Set(kUsers.filter((name) => (this.rightSince(name, subject) ?? Infinity) < position));
    return entry;
  }

  /** A start of the server: what is stored from now on is of another epoch. */
  restart(): void {
    ++this.#epoch;
    if (this.entries.length === 0) this.#firstEpoch = this.#epoch;
    this.sequences.set(this.offsetAt(this.end), this.#sequence);
  }

  /** It was moved away, and a new one begins. */
  replace(): void {
    this.entries = [];
    ++this.#logs;
    this.#rights = new Map();
    this.restart();
  }

  offsetAt(position: number): string {
    return position === 0 ? `${this.#firstEpoch}.0` : this.entries[position - 1]!.offset;
  }

  /** Undefined: it is not of this log. */
  positionOf(offset: string): number | undefined {
    const position = Number(offset.slice(offset.indexOf('.') + 1));
    if (!Number.isInteger(position) || position < 0 || position > this.end) return undefined;
    return this.offsetAt(position) === offset ? position : undefined;
  }

  /** From where on `user` may see what concerns `subject`; undefined: not now. */
  rightSince(user: string, subject: string): number | undefined {
    const rights = this.#rightsOf(user, subject);
    const last = rights[rights.length - 1];
    return last !== undefined && last.until === undefined ? last.since : undefined;
  }

  /** Whether `user` had, without an end, from `position` on, the right that it has now. */
  hadRightSince(user: string, subject: string, position: number): boolean {
    const since = this.rightSince(user, subject);
    return since !== undefined && since <= position;
  }

  // photo:1 to photo:4 are everybody's by their role; of the others a share decides.
  #rightsOf(user: string, subject: string): Right[] {
    const key = `${user} ${subject}`;
    let rights = this.#rights.get(key);
    if (rights === undefined) {
      const isOfRole = /^photo:[1-4]$/.test(subject);
      rights = [{ since: 0, until: isOfRole ? undefined : 0 }];
      this.#rights.set(key, rights);
    }
    return rights;
  }
}

interface Right {
  readonly since: number;
  until: number | undefined;
}
