import { setMaxListeners } from 'node:events';

import { vi } from 'vitest';

import type { EventBus, EventBusOptions } from '../src/index.js';
import { afterwards, clientOf } from './support.js';

const RealChannel = globalThis.BroadcastChannel;

interface Request {
  readonly tab: Tab;
  readonly name: string;
  readonly grant: () => void;
  readonly rob: () => void;
}

/** A browser, as far as its tabs notice each other: locks as the Web Locks API has them, and real broadcast channels. */
export class TabBrowser {
  readonly #stored = new Map<string, string>(); // in sessionStorage; tabs are told apart by their resumeKey
  readonly queues = new Map<string, Request[]>(); // the first of each holds the lock

  constructor() {
    afterwards(() => vi.unstubAllGlobals());
    const getItem = (key: string) => this.#stored.get(key) ?? null;
    const setItem = (key: string, value: string) => void this.#stored.set(key, value);
    const removeItem = (key: string) => void this.#stored.delete(key);
    vi.stubGlobal('sessionStorage', { getItem, setItem, removeItem });
  }

  /** A tab with a client that has begun to join. */
  async tab(bus: { url: string }, options: EventBusOptions = {}): Promise<Tab> {
    const tab = new Tab(this);
    vi.stubGlobal('navigator', { locks: tab.locks });
    vi.stubGlobal('BroadcastChannel', tab.BroadcastChannel);
    vi.stubGlobal('addEventListener', tab.page.addEventListener.bind(tab.page));
    vi.stubGlobal('removeEventListener', tab.page.removeEventListener.bind(tab.page));
    tab.client = clientOf(bus, { shareTabs: true, token: tokenOf('alice'), resumeKey: false, ...options });
    void tab.client.on('none', () => {}); // connects
    await tab.hasBegun;
    return tab;
  }

  /** The page of `tab` is loaded again, with a new client; its resumeKey is `key`. */
  async reload(tab: Tab, key: string, bus: { url: string }): Promise<Tab> {
    tab.page.dispatchEvent(new Event('pagehide'));
    const kept = this.#stored.get(`eventbus:${key}`);
    await tab.client.close({ drainMs: 0 });
    if (kept !== undefined) this.#stored.set(`eventbus:${key}`, kept);
    return this.tab(bus, { resumeKey: key });
  }

  /** The names of the locks that are held. */
  get held(): string[] {
    return [...this.queues].filter(([, queue]) => queue.length > 0).map(([name]) => name);
  }

  enqueue(request: Request): void {
    const queue = this.queues.get(request.name) ?? [];
    this.queues.set(request.name, queue);
    queue.push(request);
    if (queue.length === 1) setTimeout(() => queue[0] === request && request.grant());
  }

  steal(request: Request): void {
    const queue = this.queues.get(request.name) ?? [];
    this.queues.set(request.name, queue);
    const holder = queue.shift();
    queue.unshift(request);
    setTimeout(() => {
      holder?.rob();
      request.grant();
    });
  }

  remove(isGone: (request: Request) => boolean): void {
    for (const queue of this.queues.values()) {
      const holder = queue[0];
      queue.splice(0, Infinity, ...queue.filter((request) => !isGone(request)));
      const next = queue[0];
      if (next !== undefined && next !== holder) setTimeout(() => queue[0] === next && next.grant());
    }
  }
}

export class Tab {
  client!: EventBus;
  readonly locks: { request: LockManager['request'] };
  readonly BroadcastChannel: typeof BroadcastChannel;
  readonly page = new EventTarget();
  readonly hasBegun: Promise<void>;
  readonly #channels = new Set<BroadcastChannel>();
  readonly #browser: TabBrowser;
  #isDead = false;
  #held: (() => void)[] | undefined; // while it is busy

  constructor(browser: TabBrowser) {
    this.#browser = browser;
    let begun = () => {};
    this.hasBegun = new Promise((resolve) => (begun = resolve));
    const request = async (name: string, options: LockOptions, callback: LockGrantedCallback<unknown>): Promise<unknown> => {
      setTimeout(begun);
      if (this.#isDead) return new Promise(() => {});
      return this.#request(name, options, callback);
    };
    this.locks = { request: request as LockManager['request'] };
    const tab = this;
    this.BroadcastChannel = class extends RealChannel {
      constructor(name: string) {
        super(name);
        tab.#channels.add(this);
      }

      override postMessage(message: unknown): void {
        if (!tab.#isDead) super.postMessage(message);
      }

      override set onmessage(handler: BroadcastChannel['onmessage']) {
        super.onmessage = (event) => {
          if (tab.#held !== undefined) tab.#held.push(() => handler?.call(this, event));
          else if (!tab.#isDead) handler?.call(this, event);
        };
      }
    };
  }

  /** Whether it has the connection. */
  get leads(): boolean {
    return [...this.#browser.queues].some(([name, [holder]]) => name.endsWith(' leader') && holder?.tab === this);
  }

  /** The process of its page ends: no code of it runs any more, and the browser frees what it had. */
  async die(): Promise<void> {
    this.#isDead = true;
    for (const channel of this.#channels) channel.close();
    await this.client.close({ drainMs: 0 }); // the operating system closes its socket
    this.#browser.remove(({ tab }) => tab === this);
  }

  /** Reads no messages of others until the function is called that this returns. */
  busy(): () => void {
    this.#held ??= [];
    return () => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const turn of held) turn();
    };
  }

  #request(name: string, { signal, steal }: LockOptions, callback: LockGrantedCallback<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let isGranted = false;
      const free = () => this.#browser.remove((other) => other === request);
      const grant = () => {
        isGranted = true;
        if (this.#isDead) return;
        Promise.resolve(callback({ name, mode: 'exclusive' })).then(resolve, reject).finally(free);
      };
      const rob = () => reject(new DOMException('stolen', 'AbortError'));
      const request: Request = { tab: this, name, grant, rob };
      if (signal !== undefined) setMaxListeners(0, signal);
      signal?.addEventListener('abort', () => {
        if (isGranted) return;
        free();
        reject(signal.reason);
      });
      if (signal?.aborted) return reject(signal.reason);
      if (steal === true) this.#browser.steal(request);
      else this.#browser.enqueue(request);
    });
  }
}

/** A token that nobody has signed, good enough for a client to read. */
export function tokenOf(sub: string | undefined, claims: Record<string, unknown> = {}): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${encode({ alg: 'none' })}.${encode({ sub, ...claims })}.`;
}
