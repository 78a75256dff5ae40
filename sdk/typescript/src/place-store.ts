import { isObject } from './guards.js';

const kWriteEveryMs = 500; // a page that dies without `pagehide` repeats at most what came in this time

// The entries of this page's clients.
const inUse = new Set<string>();

/**
 * The entry in sessionStorage for a client of that name; undefined: nothing is kept. Clients of one name are told apart by
 * the order in which they are made, which is the same in the next page.
 */
export function claimEntry(name: string | undefined): string | undefined {
  if (name === undefined || storage() === undefined) return undefined;
  for (let n = 1; ; ++n) {
    const entry = n === 1 ? `eventbus:${name}` : `eventbus:${name}#${n}`;
    if (inUse.has(entry)) continue;
    inUse.add(entry);
    return entry;
  }
}

/** The client has been closed: the next one may have its entry. */
export function releaseEntry(entry: string | undefined): void {
  if (entry !== undefined) inUse.delete(entry);
}

/**
 * The last place that this client saw. In a browser it is kept in sessionStorage too, with the topics
 * that were watched and with the places of those that go on somewhere else, so that the page goes on
 * from there when it is loaded again; each tab has its own, and each client of a page.
 */
export class PlaceStore {
  readonly #key: string | undefined;
  #isErased = false;
  #principal: string | undefined;
  #hasSignedIn = false;
  #isForgotten = false;
  readonly #topics = new Map<string, OwnPlace>();
  readonly #restored: Restored;
  #place: string | undefined;
  #began: string | undefined; // where the first topic did: a page that is loaded again before any place has come goes on there
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onPageHide = () => this.#write();

  /** `entry`: its own, as `claimEntry` gave it; undefined: nothing outlives this object. */
  constructor(entry: string | undefined) {
    this.#key = entry;
    this.#restored = read(this.#key);
    this.#place = this.#restored.place;
    this.#principal = this.#restored.principal;
    if (this.#key !== undefined) globalThis.addEventListener?.('pagehide', this.#onPageHide);
  }

  get place(): string | undefined {
    return this.#place;
  }

  /** Whose places these are: as a hash, once the server has said it. */
  get principal(): string | undefined {
    return this.#principal;
  }

  /** Whether the page before this one left a place to go on from. */
  get isRestored(): boolean {
    return this.#restored.place !== undefined;
  }

  /** Whether it has been said to this page, and not only to the one before. */
  get hasSignedIn(): boolean {
    return this.#hasSignedIn;
  }

  /** Whether what came before is of somebody else, and nobody has signed in since. */
  get isForgotten(): boolean {
    return this.#isForgotten;
  }

  /** The places from now on are those of `principal`. */
  signIn(principal: string): void {
    const isNews = principal !== this.#principal || this.#isErased;
    this.#principal = principal;
    this.#hasSignedIn = true;
    this.#isForgotten = false;
    this.#isErased = false;
    if (isNews) this.#write();
  }

  /** Nobody is signed in: the next page finds nothing. This one goes on if the same one signs in again. */
  signOut(): void {
    this.#isErased = true;
    this.#write();
  }

  /** Somebody else is signed in. */
  forget(): void {
    this.#isForgotten = true;
    this.#principal = undefined;
    this.#hasSignedIn = false;
    this.#place = undefined;
    this.#began = undefined;
    this.#topics.clear();
    this.#restored.topics.clear();
    this.#write();
  }

  /** How many places have been passed by this object. */
  get count(): number {
    return this.#count;
  }

  pass(place: string): void {
    this.#place = place;
    ++this.#count;
    this.#writeSoon();
  }

  /** The log goes on at `to`, wherever this client stood. */
  restart(to: string): void {
    for (const topic of this.#restored.topics.keys()) this.#restored.topics.set(topic, to);
    for (const topic of this.#topics.keys()) this.#topics.set(topic, { from: to, countMax: this.#count });
    this.pass(to);
  }

  /** Where the page before this one stopped, if it watched `topic` and this one does not yet. */
  restoredFor(topic: string): string | undefined {
    return this.#restored.topics.get(topic);
  }

  /** `topic` goes on from `from`, and from the next place on at the last one; `isHistory`: whatever places are passed. */
  watch(topic: string, from: string, isHistory: boolean): void {
    const isNew = !this.#topics.has(topic);
    this.#began ??= from;
    this.#restored.topics.delete(topic);
    this.#topics.set(topic, { from, countMax: isHistory ? Infinity : this.#count });
    if (isNew) this.#write();
    else this.#writeSoon();
  }

  unwatch(topic: string): void {
    this.#restored.topics.delete(topic);
    this.#topics.delete(topic);
    this.#write();
  }

  /** Forgets the place, in sessionStorage too, and leaves no listener and no timer. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#hasSignedIn) this.forget(); // what the page before left is the next client's, if this one has not used it
    globalThis.removeEventListener?.('pagehide', this.#onPageHide);
    releaseEntry(this.#key);
  }

  #writeSoon(): void {
    if (this.#key !== undefined) this.#timer ??= setTimeout(() => this.#write(), kWriteEveryMs);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#key === undefined) return;
    const place = this.#place ?? this.#began;
    // What this page has not asked for yet, the next one may.
    const topics: Entry[] = [...this.#restored.topics];
    for (const [topic, { from, countMax }] of this.#topics) topics.push(this.#count > countMax ? topic : [topic, from]);
    try {
      // Without its owner's name it would be anybody's.
      if (place === undefined || this.#principal === undefined || this.#isErased) storage()?.removeItem(this.#key);
      else storage()?.setItem(this.#key, JSON.stringify({ place, topics, principal: this.#principal }));
    } catch {
      // The storage is full: a reload then starts from now, as it would without it.
    }
  }
}

// Where a topic goes on, until more than `countMax` places have been passed.
interface OwnPlace {
  readonly from: string;
  readonly countMax: number;
}

interface Restored {
  readonly place: string | undefined;
  readonly principal: string | undefined;
  readonly topics: Map<string, string>; // each with where it goes on
}

// A topic that goes on at the last place, or one with a place of its own.
type Entry = string | readonly [topic: string, from: string];

function isEntry(value: unknown): value is Entry {
  return typeof value === 'string' || (Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string'));
}

function read(key: string | undefined): Restored {
  try {
    const stored: unknown = JSON.parse((key !== undefined && storage()?.getItem(key)) || 'null');
    if (isObject(stored) && typeof stored.place === 'string' && typeof stored.principal === 'string' && Array.isArray(stored.topics)) {
      const { place, principal } = stored;
      return { place, principal, topics: new Map(stored.topics.filter(isEntry).map((entry) => (typeof entry === 'string' ? [entry, place] : entry))) };
    }
  } catch {
    // Somebody else's entry, or a broken one: as if there were none.
  }
  return { place: undefined, principal: undefined, topics: new Map() };
}

function storage(): Storage | undefined {
  try {
    return globalThis.sessionStorage; // Node has none; a page in a sandbox throws
  } catch {
    return undefined;
  }
}
