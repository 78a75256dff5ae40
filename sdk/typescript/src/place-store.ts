import { isObject, optionalString } from './guards.js';

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

/** A handler, as a page that is loaded again needs to know it. */
export interface PlaceOwner {
  readonly topic: string;
  /** Where it goes on in the next page; undefined: it has not begun. */
  readonly pointInPage: string | undefined;
}

/**
 * The last place that this client saw. In a browser it is kept in sessionStorage too, with the place of each handler, so that
 * the page goes on from there when it is loaded again: the nth handler of a topic from where the nth was. Each tab has its
 * own, and each client of a page.
 */
export class PlaceStore {
  /** Whether the page before this one left a place to go on from. */
  readonly isRestored: boolean;
  readonly #key: string | undefined;
  #isErased = false;
  #principal: string | undefined;
  #hasSignedIn = false;
  #isForgotten = false;
  readonly #owners = new Map<PlaceOwner, string | undefined>(); // in their order, each with the place that it inherited
  readonly #unclaimed: Unclaimed; // what the page before left, and no handler has asked for yet
  #place: string | undefined;
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onPageHide = () => this.write();

  /** `entry`: its own, as `claimEntry` gave it; undefined: nothing outlives this object. */
  constructor(entry: string | undefined) {
    this.#key = entry;
    const { place, principal, unclaimed } = read(this.#key);
    this.#unclaimed = unclaimed;
    this.isRestored = place !== undefined;
    this.#place = place;
    this.#principal = principal;
    if (this.#key !== undefined) globalThis.addEventListener?.('pagehide', this.#onPageHide);
  }

  get place(): string | undefined {
    return this.#place;
  }

  /** Whose places these are: as a hash, once the server has said it. */
  get principal(): string | undefined {
    return this.#principal;
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
    if (isNews) this.write();
  }

  /** Nobody is signed in: the next page finds nothing. This one goes on if the same one signs in again. */
  signOut(): void {
    this.#isErased = true;
    this.write();
  }

  /** Somebody else is signed in. */
  forget(): void {
    this.#isForgotten = true;
    this.#principal = undefined;
    this.#hasSignedIn = false;
    this.#place = undefined;
    for (const owner of this.#owners.keys()) this.#owners.set(owner, undefined);
    this.#unclaimed.clear();
    this.write();
  }

  /** How many places have been passed by this object. */
  get count(): number {
    return this.#count;
  }

  pass(place: string): void {
    this.#place = place;
    ++this.#count;
    this.writeSoon();
  }

  /** The log goes on at `to`, wherever this client stood. */
  restart(to: string): void {
    const moved = (point: string | undefined) => point && to;
    for (const [owner, inherited] of this.#owners) this.#owners.set(owner, moved(inherited));
    for (const [topic, points] of this.#unclaimed) this.#unclaimed.set(topic, points.map(moved));
    this.pass(to);
  }

  /** One more handler: the next place of its topic that nobody has claimed is its own. */
  enter(owner: PlaceOwner): void {
    this.#owners.set(owner, this.#unclaimed.get(owner.topic)?.shift());
  }

  /** It takes its place with it. */
  leave(owner: PlaceOwner): void {
    if (this.#owners.delete(owner)) this.write();
  }

  /** Where the page before this one stopped with a handler such as `owner`. */
  inheritedBy(owner: PlaceOwner): string | undefined {
    return this.#owners.get(owner);
  }

  /** Forgets the place, in sessionStorage too, and leaves no listener and no timer. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#hasSignedIn) this.forget(); // what the page before left is the next client's, if this one has not used it
    this.#owners.clear();
    globalThis.removeEventListener?.('pagehide', this.#onPageHide);
    releaseEntry(this.#key);
  }

  /** An owner has moved on. */
  writeSoon(): void {
    if (this.#key !== undefined) this.#timer ??= setTimeout(() => this.write(), kWriteEveryMs);
  }

  /** An owner has begun. */
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#key === undefined) return;
    const place = this.#place;
    try {
      // Without its owner's name it would be anybody's.
      if (place === undefined || this.#principal === undefined || this.#isErased) storage()?.removeItem(this.#key);
      else storage()?.setItem(this.#key, JSON.stringify({ place, topics: this.#entries(place), principal: this.#principal }));
    } catch {
      // The storage is full: a reload then starts from now, as it would without it.
    }
  }

  // What this page has not asked for yet, the next one may.
  #entries(place: string): Entry[] {
    const topics = new Map<string, (string | undefined)[]>();
    const listOf = (topic: string) => topics.get(topic) ?? topics.set(topic, []).get(topic)!;
    for (const [owner, inherited] of this.#owners) listOf(owner.topic).push(owner.pointInPage ?? inherited);
    for (const [topic, points] of this.#unclaimed) listOf(topic).push(...points);
    return [...topics].filter(([, points]) => points.some(Boolean)).map(([topic, points]) => (points.length === 1 && points[0] === place ? topic : [topic, ...points]));
  }
}

/** By topic, in the order of its handlers; undefined: that one had not begun. */
type Unclaimed = Map<string, (string | undefined)[]>;

// A topic whose only handler goes on at the last place, or one with a place for each handler: in JSON, null is none.
type Entry = string | readonly [topic: string, ...points: (string | undefined)[]];

function read(key: string | undefined): { place: string | undefined; principal: string | undefined; unclaimed: Unclaimed } {
  try {
    const stored: unknown = JSON.parse((key !== undefined && storage()?.getItem(key)) || 'null');
    if (isObject(stored) && typeof stored.place === 'string' && typeof stored.principal === 'string' && Array.isArray(stored.topics)) {
      const { place, principal } = stored;
      const topics = stored.topics as Entry[];
      return { place, principal, unclaimed: new Map(topics.map((entry) => (typeof entry === 'string' ? [entry, [place]] : [entry[0], entry.slice(1).map(optionalString)]))) };
    }
  } catch {
    // Somebody else's entry, or a broken one: as if there were none.
  }
  return { place: undefined, principal: undefined, unclaimed: new Map() };
}

function storage(): Storage | undefined {
  try {
    return globalThis.sessionStorage; // Node has none; a page in a sandbox throws
  } catch {
    return undefined;
  }
}
