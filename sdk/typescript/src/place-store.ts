import { fieldsOf, keptString } from './guards.js';

const kWriteEveryMs = 500; // a page that dies without `pagehide` repeats at most what came in this time
const kUnclaimedMax = 1_000; // topics that earlier pages have watched, the latest ones

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
  readonly isConfirmed: boolean;
  /** Where it goes on in the next page; undefined: it has not begun. */
  readonly pointInPage: string | undefined;
}

/**
 * The last place that this client saw. In a browser it is kept in sessionStorage too, with the place of each handler, so that
 * the page goes on from there when it is loaded again: the nth handler of a topic from where the nth was. A handler that has
 * been taken off leaves a gap among them, which the next one of the topic fills. Each tab has its own, and each client of a page.
 */
export class PlaceStore {
  /** Whether the page before this one left a place to go on from. */
  readonly isRestored: boolean;
  #key: string | undefined;
  #isLeaving = false; // the page does
  #isErased = false;
  #principal: string | undefined;
  #hasSignedIn = false;
  #isForgotten = false;
  readonly #slots: Map<string, Slot[]>; // by topic, in the order of the handlers
  #place: string | undefined;
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onPageHide = () => {
    this.write();
    this.#isLeaving = true;
  };

  /** `entry`: its own, as `claimEntry` gave it; undefined: nothing outlives this object. */
  constructor(entry: string | undefined) {
    this.#key = entry;
    const { place, principal, slots } = read(this.#key);
    this.#slots = slots;
    this.isRestored = place !== undefined;
    this.#place = place;
    this.#principal = principal;
    if (this.#key !== undefined) globalThis.addEventListener?.('pagehide', this.#onPageHide, true);
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
    this.#movePlaces(() => undefined);
    this.write();
  }

  /** How many places have been passed by this object. */
  get count(): number {
    return this.#count;
  }

  pass(place: string): void {
    this.#place = place;
    this.#isLeaving = false; // or it has come back
    ++this.#count;
    this.writeSoon();
  }

  /** The log goes on at `to`, wherever this client stood. */
  restart(to: string): void {
    this.#movePlaces((place) => place && to);
    this.pass(to);
  }

  /** One more handler: the first place of its topic that is no other's is its own. */
  enter(owner: PlaceOwner): void {
    const slots = this.#slots.get(owner.topic) ?? [];
    const free = slots.find((slot) => slot.owner === undefined);
    if (free !== undefined) free.owner = owner;
    else this.#slots.set(owner.topic, [...slots, { owner, inherited: undefined }]);
  }

  /** It takes its place with it; if it was never confirmed, the next one may have that. */
  leave(owner: PlaceOwner): void {
    const slot = this.#slotOf(owner);
    if (slot === undefined) return;
    slot.owner = undefined;
    if (owner.isConfirmed) slot.inherited = undefined;
    this.#tidy();
    this.write();
  }

  /** Where the page before this one stopped with a handler such as `owner`. */
  inheritedBy(owner: PlaceOwner): string | undefined {
    return this.#slotOf(owner)?.inherited;
  }

  /**
   * Nothing is kept any more, and no listener or timer is left. What the page before left is the next client's, if this one
   * has not used it; what this one has used is erased, unless the page ends with it.
   */
  close(): void {
    this.#isErased = true;
    if (this.#hasSignedIn && !this.#isLeaving) this.write();
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('pagehide', this.#onPageHide, true);
    releaseEntry(this.#key);
    this.#key = undefined;
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
      storage()?.removeItem(this.#key); // it is full: a reload then starts from now, as it would without it
    }
  }

  // What this page has not asked for yet, the next one may.
  #entries(place: string): Entry[] {
    const claimed: Entry[] = [];
    const unclaimed: Entry[] = [];
    for (const [topic, slots] of this.#slots) {
      const points = slots.map(({ owner, inherited }) => owner?.pointInPage ?? inherited);
      if (!points.some(Boolean)) continue;
      (slots.some(hasOwner) ? claimed : unclaimed).push(points.length === 1 && points[0] === place ? topic : [topic, ...points]);
    }
    return [...unclaimed.slice(-kUnclaimedMax), ...claimed];
  }

  #slotOf(owner: PlaceOwner): Slot | undefined {
    return this.#slots.get(owner.topic)?.find((slot) => slot.owner === owner);
  }

  #movePlaces(to: (place: string | undefined) => string | undefined): void {
    for (const slots of this.#slots.values()) for (const slot of slots) slot.inherited = to(slot.inherited);
    this.#tidy();
  }

  #tidy(): void {
    for (const [topic, slots] of this.#slots) if (!slots.some((slot) => hasOwner(slot) || slot.inherited)) this.#slots.delete(topic);
  }
}

/** Of the nth handler of a topic. */
interface Slot {
  owner: PlaceOwner | undefined;
  /** Where the page before this one stopped; undefined: it had no such handler, or that had not begun. */
  inherited: string | undefined;
}

function hasOwner({ owner }: Slot): boolean {
  return owner !== undefined;
}

// A topic whose only handler goes on at the last place, or one with a place for each handler: in JSON, null is none.
type Entry = string | readonly [topic: string, ...points: (string | undefined)[]];

function read(key: string | undefined): { place: string | undefined; principal: string | undefined; slots: Map<string, Slot[]> } {
  try {
    const stored = fieldsOf(JSON.parse((key !== undefined && storage()?.getItem(key)) || 'null'));
    const [place, principal] = [keptString(stored.place), keptString(stored.principal)];
    if (place !== undefined && principal !== undefined && Array.isArray(stored.topics)) {
      const slotsOf = (points: readonly unknown[]): Slot[] => points.map((point) => ({ owner: undefined, inherited: keptString(point) }));
      return { place, principal, slots: new Map((stored.topics as Entry[]).map((entry) => (typeof entry === 'string' ? [entry, slotsOf([place])] : [entry[0], slotsOf(entry.slice(1))]))) };
    }
  } catch {
    // Somebody else's entry, or a broken one: as if there were none.
  }
  return { place: undefined, principal: undefined, slots: new Map() };
}

function storage(): Storage | undefined {
  try {
    return globalThis.sessionStorage; // Node has none; a page in a sandbox throws
  } catch {
    return undefined;
  }
}
