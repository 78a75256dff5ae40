// What consumer groups handled.
import { covers } from '../catalog.ts';
import { now } from '../moments.ts';
import type { Log } from './log.ts';
import { orderOf } from './log.ts';
import type { Fault, World } from './world.ts';

export const kNotHandled = 'not handled';

/** A group: its name and its topic. */
export class Group {
  readonly name: string;
  readonly topic: string;
  readonly done = new Set<string>();
  #from = Infinity;

  constructor(name: string, topic: string) {
    this.name = name;
    this.topic = topic;
  }

  get who(): string {
    return `group ${this.name} of ${this.topic}`;
  }

  /** Where it begins is where its first member was told that it does; later ones are told how far it is. */
  began(offset: string): void {
    if (this.#from === Infinity) this.#from = orderOf(offset);
  }

  judge(log: Log, fence: number): Fault[] {
    const owed = log.behind(this.#from).filter(({ id, order, type }) => order <= fence && covers(this.topic, type) && !this.done.has(id));
    return owed.map(({ id, order }) => ({ kind: kNotHandled, who: this.who, text: `${id} at ${order} of ${this.topic} was handled by no member`, at: now(), words: [id, 'membership', 'parts'], mayStillCome: true }));
  }

  forget(fence: number): void {
    this.#from = Math.max(this.#from, fence);
    this.done.clear();
  }
}

/** What a member has in hand: all handlers of one group in one client. */
export class Hands {
  readonly who: string;
  readonly group: Group;
  readonly maxInFlight: number;
  readonly #world: World;
  readonly #running = new Map<string, number>(); // how many handlers of the event

  constructor(who: string, group: Group, maxInFlight: number, world: World) {
    this.who = who;
    this.group = group;
    this.maxInFlight = maxInFlight;
    this.#world = world;
  }

  take(id: string): void {
    this.#running.set(id, (this.#running.get(id) ?? 0) + 1);
    if (this.#running.size > this.maxInFlight) this.#world.fault('more than maxInFlight', this.who, `${this.#running.size} events of ${this.group.topic} run, and maxInFlight is ${this.maxInFlight}: ${[...this.#running.keys()].join(', ')}`, ...this.#running.keys());
  }

  put(id: string): void {
    const left = this.#running.get(id)! - 1;
    if (left === 0) this.#running.delete(id);
    else this.#running.set(id, left);
  }
}
