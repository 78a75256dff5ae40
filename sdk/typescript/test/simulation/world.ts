import { Chance } from './chance.js';
import type { Network } from './network.js';

const kBegan = Date.UTC(2026, 0, 1);

/** A process or a page: what belongs to it ends with it. */
export class Realm {
  isAlive = true;
  readonly listeners = new Map<string, Set<() => void>>();

  /** `storage`: what `sessionStorage` is in it; undefined: there is none; `'blocked'`: to look at it throws. */
  constructor(
    readonly name: string,
    readonly storage?: Map<string, string> | 'blocked',
  ) {}

  dispatch(event: string): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener();
  }
}

/** Something that happens at a time; clients hold theirs as the id of a timer. */
export interface Task {
  readonly at: number;
  readonly order: number;
  readonly realm: Realm | undefined;
  readonly isTimer: boolean;
  run: (() => void) | undefined; // undefined: it has run, or was taken off
}

/**
 * Virtual time, and all that happens in it. One task after the other, in the order of their times; between two of them
 * every promise gets as far as it can. A task of a realm runs as if in that page or process, and so does what follows
 * from it.
 */
export class World {
  static current: World;
  now = 0; // ms since the seed began
  realm: Realm | undefined;
  readonly trace: string[] = [];
  readonly faults: string[] = [];
  readonly random: Chance; // what the clients' own Math.random gives
  network!: Network;
  readonly #tasks: Task[] = []; // a heap
  #order = 0;
  #visited: Realm | undefined;

  constructor(readonly seed: number) {
    this.random = new Chance(seed, 'clients');
    World.current = this;
  }

  get date(): number {
    return kBegan + this.now;
  }

  say(line: string): void {
    this.trace.push(`${(this.now / 1_000).toFixed(3).padStart(8)} ${line}`);
  }

  fault(what: string): void {
    this.say(`FAULT ${what}`);
    this.faults.push(what);
  }

  /** `realm`: whose task it is; undefined: the bus's, or the seed's. */
  in(ms: number, realm: Realm | undefined, run: () => void, isTimer = false): Task {
    const task: Task = { at: this.now + Math.max(0, ms), order: this.#order++, realm, isTimer, run };
    this.#push(task);
    return task;
  }

  /** As if code of `realm` ran now, within a task that is nobody's: one realm for each task. */
  as<Value>(realm: Realm, run: () => Value): Value {
    this.realm = this.#visited = realm;
    try {
      return run();
    } finally {
      this.realm = undefined;
    }
  }

  /** Lets time pass until `until`, or until `isDone`. */
  async run(until: number, isDone: () => boolean = () => false): Promise<void> {
    while (!isDone()) {
      const task = this.#tasks[0];
      if (task === undefined || task.at > until) {
        this.now = until;
        return;
      }
      this.#pop();
      const { run } = task;
      if (run === undefined) continue;
      task.run = undefined;
      if (task.realm?.isAlive === false) continue;
      this.now = Math.max(this.now, task.at);
      this.realm = task.realm;
      this.#visited = undefined;
      try {
        run();
      } catch (thrown) {
        this.fault(`nobody caught ${described(thrown)}`);
      }
      this.realm = task.realm ?? this.#visited;
      if (this.realm !== undefined) await turn();
      this.realm = undefined;
    }
  }

  /** Timers that code of `realm` has set and that are still to come. */
  timersOf(realm: Realm): number {
    return this.#tasks.filter((task) => task.isTimer && task.realm === realm && task.run !== undefined).length;
  }

  #push(task: Task): void {
    const tasks = this.#tasks;
    let at = tasks.push(task) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(task, tasks[parent]!)) break;
      tasks[at] = tasks[parent]!;
      at = parent;
    }
    tasks[at] = task;
  }

  #pop(): void {
    const tasks = this.#tasks;
    const last = tasks.pop()!;
    if (tasks.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= tasks.length) break;
      if (child + 1 < tasks.length && isBefore(tasks[child + 1]!, tasks[child]!)) ++child;
      if (!isBefore(tasks[child]!, last)) break;
      tasks[at] = tasks[child]!;
      at = child;
    }
    tasks[at] = last;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export function described(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return `${(thrown.stack ?? thrown.message).split('\n').slice(0, 4).join(' | ')}`;
}

const laterOn = globalThis.setImmediate;

// Every promise gets as far as it can.
function turn(): Promise<void> {
  return new Promise((resolve) => laterOn(resolve));
}
