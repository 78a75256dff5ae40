// What one handler was called with, and whether that is what it was owed.
import { covers, isSubject } from '../catalog.ts';
import { now } from '../moments.ts';
import type { Entry, Log } from './log.ts';
import { orderOf } from './log.ts';
import type { Fact, Fault } from './world.ts';

interface Seen {
  readonly id: string;
  readonly order: number;
  readonly at: number;
}

export interface BusEvent {
  readonly id: string;
  readonly type: string;
  readonly offset: string;
}

/** A handler of a client. */
export abstract class View {
  readonly who: string;
  readonly topic: string;
  readonly name: string;
  protected seen: Seen[] = [];
  #last = -1; // the order of the last event before those of `seen`
  #endedAt: number | undefined;
  readonly #faults: Fault[] = [];

  constructor(who: string, topic: string, name: string) {
    this.who = who;
    this.topic = topic;
    this.name = name;
  }

  readonly hear = (event: BusEvent): void => {
    if (this.#endedAt !== undefined) this.#faults.push(this.fault('called after its end', `${event.id} came ${Math.round(now() - this.#endedAt)} ms after ${this.name} was taken off`, event.id));
    this.seen.push({ id: event.id, order: orderOf(event.offset), at: now() });
  };

  /** It was taken off: what it has not heard by now it is not owed. */
  end(): void {
    this.#endedAt ??= now();
  }

  get hasEnded(): boolean {
    return this.#endedAt !== undefined;
  }

  /** The events up to `fence` that it had to hear, or might. */
  protected abstract owed(log: Log, fence: number): readonly { readonly entry: Entry; readonly isSure: boolean }[];
  protected abstract settle(fence: number): void;

  judge(log: Log, fence: number): Fault[] {
    const faults = [...this.#faults];
    const seen = this.seen.filter(({ order }) => order <= fence);
    const owed = this.owed(log, fence);
    const known = new Map(owed.map(({ entry }) => [entry.order, entry]));
    const heard = new Set<number>();
    let last = this.#last;
    for (const { id, order, at } of seen) {
      if (heard.has(order) || order === this.#last) faults.push(this.fault('repeated', `${id} came again ${ago(at)}`, id));
      else if (!known.has(order)) faults.push(this.fault('not owed', `${id} at ${order} came ${ago(at)} and is not one of ${this.topic} behind where ${this.name} began (${this.began})`, id));
      else if (order < last) faults.push(this.fault('out of order', `${id} at ${order} came ${ago(at)} behind an event at ${last}`, id));
      heard.add(order);
      last = Math.max(last, order);
    }
    for (const { entry, isSure } of owed) {
      if (!isSure || heard.has(entry.order) || (this.hasEnded && entry.order > last)) continue;
      const isLate = entry.order > last; // what lies before an event that came will not come in order any more
      faults.push({ ...this.fault('lost', `${entry.id} (${entry.type}${entry.subject === undefined ? '' : ` of ${entry.subject}`}) at ${entry.order} did not come to ${this.name}, which began at ${this.began}; the last that came lies at ${last}`, entry.id), ...(isLate && { mayStillCome: true }) });
    }
    return faults;
  }

  /** What lies before `fence` was judged, and is forgotten. */
  forget(fence: number): void {
    this.#last = Math.max(this.#last, ...this.seen.filter(({ order }) => order <= fence).map(({ order }) => order));
    this.seen = this.seen.filter(({ order }) => order > fence);
    this.settle(fence);
  }

  abstract get began(): string;

  protected fault(kind: string, text: string, id: string): Fault {
    return { kind, who: this.who, text: `${this.name}: ${text}`, at: now(), words: [id, this.topic] };
  }
}

/** A subscription to a subject, or to a type pattern without a group. */
export class Watch extends View {
  #offset: string | undefined;
  #from = -1;

  confirmed(offset: string): void {
    this.#offset = offset;
    this.#from = orderOf(offset);
  }

  get began(): string {
    return this.#offset ?? 'nowhere';
  }

  /** Whether it was confirmed, and has not ended. */
  get isOn(): boolean {
    return this.#offset !== undefined && !this.hasEnded;
  }

  protected override owed(log: Log, fence: number): { entry: Entry; isSure: boolean }[] {
    // One that was refused is owed nothing; what it may have heard before that is no fault.
    const isSure = this.#offset !== undefined;
    return log.behind(this.#from).filter((entry) => entry.order <= fence && coversEntry(this.topic, entry)).map((entry) => ({ entry, isSure }));
  }

  protected override settle(fence: number): void {
    if (this.#offset !== undefined) this.#from = Math.max(this.#from, fence);
  }
}

/** A loop over a topic. Nobody is told where it begins: it is owed all that lies between its first event and its last. */
export class Loop extends View {
  get began(): string {
    return 'its first event';
  }

  protected override owed(log: Log, fence: number): { entry: Entry; isSure: boolean }[] {
    const first = Math.min(...this.seen.map(({ order }) => order));
    return log.behind(first - 1).filter((entry) => entry.order <= fence && coversEntry(this.topic, entry)).map((entry) => ({ entry, isSure: this.hasEnded }));
  }

  protected override settle(): void {}
}

/** A handler of `on`: what goes to the user, and to everyone. */
export class Own extends View {
  readonly #user: string;
  readonly #factOf: (id: string) => Fact | undefined;
  #sinceAt = Infinity;
  #from = -1;
  #toldTo = -1;

  constructor(who: string, topic: string, name: string, user: string, factOf: (id: string) => Fact | undefined) {
    super(who, topic, name);
    this.#user = user;
    this.#factOf = factOf;
  }

  /** It was registered, and the connection was live: what is published from now on is owed. */
  begin(): void {
    if (this.#sinceAt === Infinity) this.#sinceAt = now();
  }

  /** A gap was told: what lies before its end may be missing. */
  miss(to: string): void {
    this.#toldTo = orderOf(to);
  }

  get began(): string {
    return this.#from >= 0 ? `the fence at ${this.#from}` : `${Math.round(this.#sinceAt)} ms`;
  }

  protected override owed(log: Log, fence: number): { entry: Entry; isSure: boolean }[] {
    const own = log.behind(this.#from).filter((entry) => entry.order <= fence && covers(this.topic, entry.type) && (entry.type !== 'note.sent' || entry.data.user === this.#user));
    return own.map((entry) => ({ entry, isSure: entry.order > this.#toldTo && (this.#from >= 0 || (this.#factOf(entry.id)?.calledAt ?? -Infinity) > this.#sinceAt) }));
  }

  protected override settle(fence: number): void {
    if (this.#sinceAt < Infinity) this.#from = fence;
  }
}

export function coversEntry(topic: string, { type, subject }: { readonly type: string; readonly subject?: string | undefined }): boolean {
  return isSubject(topic) ? topic === subject : covers(topic, type);
}

const ago = (at: number): string => `at ${Math.round(at)} ms`;
