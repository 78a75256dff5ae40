import { coversType } from '../../src/topic.js';
import type { Chance } from './chance.js';
import type { Entry, Log } from './log.js';
import { World } from './world.js';

const kAckWaitMs = 30_000;

/** A member of a group: a socket that has subscribed. */
export interface MemberSocket {
  readonly isOpen: boolean;
  readonly client: string;
  emit(...args: unknown[]): void;
}

interface Member {
  readonly socket: MemberSocket;
  readonly maxInFlight: number;
  isLeft: boolean; // it is given nothing more, and may answer what it has
}

interface Work {
  readonly entry: Entry;
  attempt: number;
}

interface Flight extends Work {
  readonly member: Member;
}

interface Group {
  readonly name: string;
  readonly topic: string;
  cursor: number;
  readonly members: Member[];
  readonly waiting: (Work & { dueAt: number })[];
  readonly inFlight: Map<string, Flight>;
}

/** The consumer groups of the bus (docs/groups.md). */
export class Groups {
  readonly #groups = new Map<string, Group>();
  #deliveries = 0;

  constructor(
    private readonly log: Log,
    private readonly chance: Chance,
  ) {}

  join(name: string, topic: string, socket: MemberSocket, maxInFlight: number): number {
    const key = `${name}\n${topic}`;
    if (!this.#groups.has(key)) this.#groups.set(key, { name, topic, cursor: this.log.end, members: [], waiting: [], inFlight: new Map() });
    const group = this.#groups.get(key)!;
    this.leave(name, topic, socket);
    group.members.push({ socket, maxInFlight, isLeft: false });
    this.#giveOutSoon(group);
    return group.cursor;
  }

  leave(name: string, topic: string, socket: MemberSocket): void {
    const group = this.#groups.get(`${name}\n${topic}`);
    const at = group?.members.findIndex((member) => member.socket === socket) ?? -1;
    if (at >= 0) group!.members.splice(at, 1)[0]!.isLeft = true;
  }

  /** Its connection has ended: others get what it had. */
  remove(socket: MemberSocket): void {
    for (const group of this.#groups.values()) {
      this.leave(group.name, group.topic, socket);
      for (const [delivery, flight] of group.inFlight) if (flight.member.socket === socket) this.#takeBack(group, delivery, flight.attempt > 1 ? 1_000 : 0);
    }
  }

  /** False: it no longer has this delivery. */
  answer(socket: MemberSocket, delivery: unknown, isDone: boolean, delayMs: number | undefined): boolean {
    for (const group of this.#groups.values()) {
      const flight = group.inFlight.get(String(delivery));
      if (flight?.member.socket !== socket) continue;
      if (isDone) {
        group.inFlight.delete(String(delivery));
        this.#giveOutSoon(group);
      } else this.#takeBack(group, String(delivery), delayMs ?? Math.min(60_000, 1_000 * 2 ** (flight.attempt - 1)) * (0.5 + this.chance.unit() / 2));
      return true;
    }
    return false;
  }

  /** What is new in the log is given out. */
  stored(): void {
    for (const group of this.#groups.values()) this.#giveOutSoon(group);
  }

  /** The log is another one: everything in it is new. */
  replaced(): void {
    this.#groups.clear();
  }

  /** Whether `client` is given what is for the group. */
  hasMember(name: string | undefined, topic: string, client: string): boolean {
    return this.#groups.get(`${name}\n${topic}`)?.members.some(({ socket }) => socket.client === client) ?? false;
  }

  /** What is owed to members that are there, in words; empty: nothing. */
  owed(): string[] {
    const owed: string[] = [];
    for (const { name, topic, cursor, members, waiting, inFlight } of this.#groups.values()) {
      if (members.length === 0) continue;
      const left = this.log.entries.slice(cursor).filter(({ type }) => coversType(topic, type)).length;
      if (left + waiting.length + inFlight.size === 0) continue;
      const unanswered = [...inFlight.values()].map(({ entry }) => entry.offset).join(' ');
      owed.push(`the group ${name} of ${topic} has ${left} events that it has not given out, ${waiting.length} that wait, and without an answer: ${unanswered || 'none'}`);
    }
    return owed;
  }

  #giveOutSoon(group: Group): void {
    World.current.in(this.chance.whole(0, 5), undefined, () => this.#giveOut(group));
  }

  #giveOut(group: Group): void {
    const { now } = World.current;
    for (;;) {
      const free = group.members.filter((member) => member.socket.isOpen && [...group.inFlight.values()].filter((flight) => flight.member === member).length < member.maxInFlight);
      if (free.length === 0) return;
      const work = this.#next(group, now);
      if (work === undefined) return;
      const member = this.chance.of(free);
      const delivery = `d${++this.#deliveries}`;
      group.inFlight.set(delivery, { ...work, member });
      const { entry, attempt } = work;
      member.socket.emit(entry.type, entry.data, metaOf(entry), { offset: entry.offset, delivery, group: group.name, topic: group.topic, attempt });
      World.current.in(kAckWaitMs, undefined, () => {
        if (group.inFlight.has(delivery)) this.#takeBack(group, delivery, 0);
      });
    }
  }

  #next(group: Group, now: number): Work | undefined {
    const at = group.waiting.findIndex(({ dueAt }) => dueAt <= now);
    if (at >= 0) return group.waiting.splice(at, 1)[0];
    while (group.cursor < this.log.end) {
      const entry = this.log.entries[group.cursor++]!;
      if (coversType(group.topic, entry.type)) return { entry, attempt: 1 };
    }
    return undefined;
  }

  #takeBack(group: Group, delivery: string, delayMs: number): void {
    const { entry, attempt } = group.inFlight.get(delivery)!;
    group.inFlight.delete(delivery);
    group.waiting.push({ entry, attempt: attempt + 1, dueAt: World.current.now + delayMs });
    World.current.in(delayMs, undefined, () => this.#giveOut(group));
  }
}

/** What is told of an event beside its data. */
export function metaOf({ id, type, source, subject, time, offset }: Entry): object {
  return { id, type, source, ...(subject !== undefined && { subject }), time, offset };
}
