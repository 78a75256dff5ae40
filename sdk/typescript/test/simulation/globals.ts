// What the package and engine.io-client find in a browser: they get it from the world that runs. To be imported before
// them, as they keep some of it when they are loaded.
import { MemorySocket, NoRequest } from './network.js';
import type { Task } from './world.js';
import { described, World } from './world.js';

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

define('setTimeout', (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Task => World.current.in(ms, World.current.realm, () => run(...args), true));
define('clearTimeout', (task: Task | undefined): void => {
  if (task !== undefined) task.run = undefined;
});
define('performance', { now: () => World.current.now });
define('WebSocket', MemorySocket);
define('XMLHttpRequest', NoRequest);
define('crypto', {
  getRandomValues: (bytes: Uint8Array): Uint8Array => bytes.map((_, at) => (bytes[at] = World.current.random.whole(0, 255))),
});
Date.now = () => World.current.date;
Math.random = () => World.current.random.unit();

define('addEventListener', (event: string, listener: () => void): void => {
  const listeners = World.current?.realm?.listeners;
  if (listeners === undefined) return;
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event)!.add(listener);
});
define('removeEventListener', (event: string, listener: () => void): void => {
  World.current?.realm?.listeners.get(event)?.delete(listener);
});

Object.defineProperty(globalThis, 'sessionStorage', {
  configurable: true,
  get: () => {
    const storage = World.current.realm?.storage;
    if (storage === 'blocked') throw new Error('The page may not look at its storage.');
    return storage === undefined ? undefined : new MemoryStorage(storage);
  },
});

class MemoryStorage {
  readonly #entries: Map<string, string>;

  constructor(entries: Map<string, string>) {
    this.#entries = entries;
  }

  get length(): number {
    return this.#entries.size;
  }

  key(at: number): string | null {
    return [...this.#entries.keys()][at] ?? null;
  }

  getItem(name: string): string | null {
    return this.#entries.get(name) ?? null;
  }

  setItem(name: string, value: string): void {
    this.#entries.set(name, value);
  }

  removeItem(name: string): void {
    this.#entries.delete(name);
  }
}

for (const kind of ['debug', 'info', 'log', 'warn', 'error'] as const) {
  const real = console[kind].bind(console);
  // What a client says is part of the trace; between two seeds the console is the program's.
  console[kind] = (...args: unknown[]) => {
    if (World.current?.realm === undefined) real(...args);
    else World.current.say(`${World.current.realm.name} console.${kind}: ${args.map(described).join(' ')}`);
  };
}

process.on('unhandledRejection', (thrown) => World.current.fault(`a rejection that nobody handles: ${described(thrown)}`));
