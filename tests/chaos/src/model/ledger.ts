// What happened, as the publishers know it: every event that anybody published, where the server says that it lies in the log, and
// what follows from that about owners and grants. Nothing in here comes from a receiver.
import type { NarrowSpan } from '../server.ts';
import { covers, isSubject, kTypes, narrowed } from '../catalog.ts';
import { now } from '../moments.ts';
import type { Principal } from '../tokens.ts';

/** A place in the order of the log: the branch (restored backups begin a new one) and the position in it. */
export type Order = number;

const kBranch = 2 ** 42;

/** How long the server may take to act on a catalog after it has said that it has it. */
const kReloadMs = 3_000;

/** One event. */
export interface Fact {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, string | number>>;
  /** When its publish was first called. */
  readonly startedAt: number;
  /** When it was answered ok; Infinity until then. */
  answeredAt: number;
  /** Where it lies. */
  order: Order | undefined;
  offset: string | undefined;
  branch: number;
  /** Its publish was broken off or crossed a restart, and it is transient: it may be there, not be there, or be there twice. */
  isDoubtful: boolean;
  /** A restored backup took it back. */
  isErased: boolean;
}

/** A right to watch, by positions of the log. `endedAt` is when the publish that ended it began. */
export interface Right {
  readonly why: string;
  readonly from: Order;
  until: Order;
  endedAt: number;
  endAnsweredAt: number;
  /** Goes and comes with the catalog, not with the log. */
  readonly isOfCatalog: boolean;
}

interface Subject {
  readonly owners: { readonly user: string; readonly from: Order; until: Order; endedAt: number; endAnsweredAt: number }[];
  readonly grants: { readonly who: string; readonly from: Order; until: Order; endedAt: number; endAnsweredAt: number }[];
}

export class Ledger {
  readonly facts = new Map<string, Fact>();
  branch = 0;
  /** Of what lies before this place only owners and grants are still known. */
  keptFrom: Order = -1;
  /** When the last backup that was restored had been made. */
  backupMadeAt = Infinity;
  readonly #branchEnds: number[] = []; // position at which the branch after it begins
  readonly #narrowSpans: readonly NarrowSpan[];
  #subjects = new Map<string, Subject>();
  #log: Fact[] = [];

  constructor(narrowSpans: readonly NarrowSpan[]) {
    this.#narrowSpans = narrowSpans;
  }

  begin(id: string, type: string, data: Fact['data']): Fact {
    const fact: Fact = { id, type, data, startedAt: now(), answeredAt: Infinity, order: undefined, offset: undefined, branch: this.branch, isDoubtful: false, isErased: false };
    this.facts.set(id, fact);
    return fact;
  }

  answered(fact: Fact, offset: string): void {
    fact.answeredAt = now();
    fact.branch = this.branch;
    fact.offset = offset;
    fact.order = this.orderOf(offset);
  }

  /** The place that an offset means, as the log is now. */
  orderOf(offset: string): Order {
    const position = Number(offset.slice(offset.lastIndexOf('.') + 1));
    let branch = this.branch;
    while (branch > 0 && position <= this.#branchEnds[branch - 1]!) --branch;
    return branch * kBranch + position;
  }

  branchOf(order: Order): number {
    return Math.floor(Math.max(order, 0) / kBranch);
  }

  /** A backup that was made when the log ended at `end` has been restored. */
  restored(end: string, madeAt: number): void {
    this.#branchEnds.push(Number(end.slice(end.lastIndexOf('.') + 1)));
    ++this.branch;
    this.backupMadeAt = madeAt;
    for (const fact of this.facts.values()) if (fact.startedAt > madeAt && fact.answeredAt < Infinity) fact.isErased = true;
  }

  /** All events with a place that still count, in the order of the log. */
  get log(): readonly Fact[] {
    return this.#log;
  }

  /** Makes the log and the subjects of it anew; for when all publishes have been answered. */
  arrange(): void {
    this.#log = [...this.facts.values()].filter(({ order, isErased, isDoubtful }) => order !== undefined && !isErased && !isDoubtful).sort((a, b) => a.order! - b.order!);
    this.#subjects = new Map();
    for (const fact of this.#log) this.#apply(fact);
  }

  /** Forgets events that nobody is owed any more; owners and grants are made of those that are kept. */
  forgetBefore(order: Order): void {
    this.keptFrom = order;
    for (const fact of this.facts.values()) {
      const rule = kTypes[fact.type]!;
      const states = rule.owns !== undefined || rule.grants !== undefined || rule.revokes !== undefined;
      if (!states && (fact.isDoubtful || (fact.order !== undefined && fact.order < order))) this.facts.delete(fact.id);
    }
  }

  ownerAt(photo: string, order: Order): string | undefined {
    return this.#subjects.get(photo)?.owners.find((owner) => owner.from <= order && order < owner.until)?.user;
  }

  ownersOf(photo: string): readonly { readonly user: string; readonly from: Order }[] {
    return this.#subjects.get(photo)?.owners ?? [];
  }

  ownerNow(photo: string): string | undefined {
    return this.#subjects.get(photo)?.owners.at(-1)?.user;
  }

  /** All rights that the principal ever had to this topic, but those that do not change with the log or the catalog. */
  rights(who: Principal, topic: string): Right[] {
    const always = { from: -1, until: Infinity, endedAt: Infinity, endAnsweredAt: Infinity };
    if (!isSubject(topic)) {
      const isNarrowed = Object.keys(kTypes).some((type) => narrowed(type) && covers(topic, type));
      return who.kind === 'service' ? [{ ...always, why: 'consume', isOfCatalog: isNarrowed && who.name !== 'worker' }] : [];
    }
    const rights: Right[] = [];
    if (who.roles.includes('admin')) rights.push({ ...always, why: 'role:admin', isOfCatalog: false });
    if (who.permissions.includes('watch:photo:*')) rights.push({ ...always, why: 'permission', isOfCatalog: true });
    const subject = this.#subjects.get(topic.slice(topic.indexOf(':') + 1));
    if (subject === undefined || who.kind !== 'user') return rights;
    for (const owner of subject.owners) if (owner.user === who.name) rights.push({ ...owner, why: 'owner', isOfCatalog: false });
    for (const grant of subject.grants) {
      const holds = grant.who === `user:${who.name}` || who.roles.some((role) => grant.who === `role:${role}`);
      if (holds) rights.push({ ...grant, why: `grant to ${grant.who}`, isOfCatalog: false });
    }
    return rights;
  }

  /** Whether a catalog that takes rights away may have held at some moment of the span. */
  mayHaveBeenNarrow(from: number, until: number): boolean {
    return this.#narrowSpans.some((span) => span.asked <= until && span.back >= from);
  }

  /** Whether it certainly held over the whole span. */
  wasNarrow(from: number, until: number): boolean {
    return this.#narrowSpans.some((span) => span.narrow + kReloadMs <= from && span.wide >= until);
  }

  /** Whether some right surely held from this event on until `time`. */
  isHeldFrom(rights: readonly Right[], fact: Fact, time: number): boolean {
    return rights.some((right) => right.from < fact.order! && fact.order! < right.until && right.endedAt > time && !(right.isOfCatalog && this.mayHaveBeenNarrow(fact.startedAt, time)));
  }

  /**
   * Whether some right may have held when this event was bound: at its place, with the state before or behind it. One that the
   * catalog gives counts from ever: when it is back, it shows what was published meanwhile.
   */
  mayHoldAt(rights: readonly Right[], fact: Fact): boolean {
    return rights.some((right) => right.from <= fact.order! && fact.order! <= right.until);
  }

  /** Whether some right was held all the time between two moments, by what was answered before and called after. */
  wasHeldThroughout(rights: readonly Right[], from: number, until: number, beganAt: (right: Right) => number): boolean {
    return rights.some((right) => beganAt(right) < from && right.endedAt > until && !(right.isOfCatalog && this.mayHaveBeenNarrow(from, until)));
  }

  /** When a right's beginning had been answered: nobody can be refused for it later. */
  answeredAt(order: Order): number {
    if (order < 0) return -Infinity;
    return this.#log.find((fact) => fact.order === order)?.answeredAt ?? -Infinity;
  }

  startedAt(order: Order): number {
    if (order < 0) return -Infinity;
    return this.#log.find((fact) => fact.order === order)?.startedAt ?? -Infinity;
  }

  #apply(fact: Fact): void {
    const { photo } = fact.data;
    const rule = kTypes[fact.type]!;
    if (typeof photo !== 'string' || (rule.owns ?? rule.grants ?? rule.revokes) === undefined) return;
    let subject = this.#subjects.get(photo);
    if (subject === undefined) this.#subjects.set(photo, (subject = { owners: [], grants: [] }));
    const open = { from: fact.order!, until: Infinity, endedAt: Infinity, endAnsweredAt: Infinity };
    if (rule.owns !== undefined) {
      const last = subject.owners.at(-1);
      if (last !== undefined && (rule.owns === 'first' || last.user === fact.data.user)) return;
      if (last !== undefined) end(last, fact);
      subject.owners.push({ user: String(fact.data.user), ...open });
      return;
    }
    const which = rule.grants ?? rule.revokes;
    const who = `${which}:${fact.data[which!]}`;
    const held = subject.grants.find((grant) => grant.who === who && grant.until === Infinity);
    if (rule.grants !== undefined && held === undefined) subject.grants.push({ who, ...open });
    if (rule.revokes !== undefined && held !== undefined) end(held, fact);
  }
}

function end(right: { until: Order; endedAt: number; endAnsweredAt: number }, fact: Fact): void {
  right.until = fact.order!;
  right.endedAt = fact.startedAt;
  right.endAnsweredAt = fact.answeredAt;
}
