import type { Server, Socket } from 'node:net';
import net from 'node:net';
import { once } from 'node:events';

import { now, pause } from './moments.ts';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Nothing passes any more, in either direction; both ends stay open until they give up. */
  swallows: boolean;
}

/** The way of one client to the server: a TCP proxy that can do what networks do. */
export class Line {
  readonly #pairs = new Set<Pair>();
  readonly #target: () => number;
  #server: Server | undefined;
  #refuses = false;
  #stalledUntil = 0;
  #faultAt = -Infinity;

  /** `target` gives the port that the server has now. */
  constructor(target: () => number) {
    this.#target = target;
  }

  async open(): Promise<this> {
    this.#server = net.createServer((client) => this.#accept(client));
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server!.address() as net.AddressInfo).port}`;
  }

  /** When this line last did something to its client, or ended doing it. */
  get faultAt(): number {
    return Math.max(this.#faultAt, Math.min(this.#stalledUntil, now()));
  }

  /** Resets all connections on both sides. */
  cut(): void {
    this.#faultAt = now();
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** As a phone that leaves the network: the client knows, the server keeps an open, silent connection for a while. */
  loseClient(): void {
    this.#faultAt = now();
    for (const pair of this.#pairs) {
      pair.swallows = true;
      pair.client.resetAndDestroy();
    }
  }

  /** Neither end is told anything; each finds out by its own heartbeat. */
  blackhole(): void {
    this.#faultAt = now();
    for (const pair of this.#pairs) pair.swallows = true;
  }

  /** Nothing passes for a while; then everything does, late. */
  async stall(ms: number): Promise<void> {
    this.#stalledUntil = Math.max(this.#stalledUntil, now() + ms);
    this.#faultAt = now();
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
    await pause(ms + 1);
    if (now() < this.#stalledUntil) return;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** No new connection gets through until `heal`. */
  refuse(): void {
    this.#faultAt = now();
    this.#refuses = true;
  }

  heal(): void {
    if (this.#refuses) this.#faultAt = now();
    this.#refuses = false;
  }

  close(): void {
    this.cut();
    this.#server?.close();
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#refuses) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect(this.#target(), '127.0.0.1');
    server.on('error', () => undefined);
    const pair: Pair = { client, server, swallows: false };
    this.#pairs.add(pair);
    for (const [from, to] of [[client, server], [server, client]] as const) {
      from.setNoDelay(true);
      if (now() < this.#stalledUntil) from.pause();
      from.on('data', (bytes) => {
        if (pair.swallows || to.write(bytes)) return;
        from.pause();
        to.once('drain', () => (now() < this.#stalledUntil ? undefined : from.resume()));
      });
      from.on('end', () => (pair.swallows ? undefined : to.end()));
      from.on('close', () => this.#closed(pair, to));
    }
  }

  #closed(pair: Pair, other: Socket): void {
    if (pair.swallows && !other.destroyed) {
      // The other end is not told: it has to find out. Once both have, the pair is gone.
      return;
    }
    this.#pairs.delete(pair);
    other.destroy();
  }
}
