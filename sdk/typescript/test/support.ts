import { afterEach } from 'vitest';

import type { EventBusOptions, UntypedEvents } from '../src/index.js';
import { EventBus, EventBusError } from '../src/index.js';
import { ScriptedBus } from './scripted-bus.js';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Is called after the test. */
export function afterwards(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

export async function startBus(options: { recovery?: boolean } = {}): Promise<ScriptedBus> {
  const bus = await ScriptedBus.start(options);
  afterwards(() => bus.stop());
  return bus;
}

/** A client that does not make the tests wait for a pause. */
export function clientOf<Events extends object = UntypedEvents>(bus: { url: string }, options: EventBusOptions = {}): EventBus<Events> {
  const socketOptions = { reconnectionDelay: 5, reconnectionDelayMax: 20, ...options.socketOptions };
  const client = new EventBus<Events>({ url: bus.url, token: 'a token', ...options, socketOptions });
  afterwards(() => client.close({ drainMs: 0 }));
  return client;
}

/** What a promise that must reject rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<EventBusError> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof EventBusError) return thrown;
    throw thrown;
  }
  throw new Error('It was resolved.');
}

/** Things that happened, to wait for. */
export class Seen<Thing> {
  readonly things: Thing[] = [];
  #waiters: (() => void)[] = [];

  readonly add = (thing: Thing): void => {
    this.things.push(thing);
    for (const wake of this.#waiters.splice(0)) wake();
  };

  /** All so far, once there are `count`. */
  async atLeast(count: number): Promise<Thing[]> {
    return this.until(() => this.things.length >= count);
  }

  async until(condition: (things: Thing[]) => boolean): Promise<Thing[]> {
    while (!condition(this.things)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.things;
  }
}

/** Numbers from 0 to 1, by chance, the same for the same seed. */
export function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
