import type { Chance } from './chance.js';
import type { Realm } from './world.js';
import { World } from './world.js';

/** How the network is. */
export interface Weather {
  /** Of one way, in ms. */
  readonly latencyMs: number;
  /** That frames which arrive one behind the other are read at once, before any promise goes on. */
  readonly together: number;
  /** That a new connection is refused; that it is never answered. */
  readonly refused: number;
  readonly swallowed: number;
}

/** What the bus does with a connection. */
export interface Acceptor {
  isUp: boolean;
  accept(link: Link): ServerEnd;
}

export interface ServerEnd {
  receive(frame: string): void;
  /** Nothing comes any more, whoever ended it. */
  closed(): void;
}

interface Frame {
  readonly at: number;
  readonly deliver: () => void;
}

/** One way of a connection: what is sent arrives in order, each frame whole or not at all. */
class Way {
  readonly #frames: Frame[] = [];
  #lastAt = 0;
  #isOver = false;

  constructor(
    private readonly network: Network,
    private readonly realm: Realm | undefined,
  ) {}

  get lastAt(): number {
    return Math.max(this.#lastAt, World.current.now);
  }

  send(deliver: () => void): void {
    if (this.#isOver) return;
    const { chance, weather } = this.network;
    const at = Math.max(this.#lastAt, World.current.now + weather.latencyMs * (0.2 + chance.unit() * 1.6));
    this.#lastAt = at;
    this.#frames.push({ at, deliver });
    if (this.#frames.length === 1) this.#wait(at);
  }

  /** Nothing more is sent on it, and of what is under way only the first frames arrive. */
  cut(arrive: number): void {
    this.#isOver = true;
    this.#frames.length = Math.min(this.#frames.length, arrive);
    this.#lastAt = this.#frames[this.#frames.length - 1]?.at ?? World.current.now;
  }

  get underWay(): number {
    return this.#frames.length;
  }

  #wait(at: number): void {
    World.current.in(at - World.current.now, this.realm, () => this.#arrive());
  }

  #arrive(): void {
    const { chance, weather } = this.network;
    do this.#frames.shift()?.deliver();
    while (this.#frames.length > 0 && this.#frames[0]!.at - World.current.now < 5 && chance.is(weather.together));
    if (this.#frames.length > 0) this.#wait(this.#frames[0]!.at);
  }
}

/** A connection of one client's WebSocket with the bus. */
export class Link {
  readonly realm: Realm | undefined;
  isOpen = true; // the bus may send
  #isEnded = false; // the bus has been told that it is over
  readonly #toServer: Way;
  readonly #toClient: Way;
  end: ServerEnd | undefined;

  constructor(
    private readonly network: Network,
    readonly socket: MemorySocket,
    readonly name: string,
  ) {
    this.realm = World.current.realm;
    this.#toServer = new Way(network, undefined);
    this.#toClient = new Way(network, this.realm);
  }

  /** What the client sends. */
  up(frame: string): void {
    this.#toServer.send(() => {
      if (this.#isEnded) return;
      World.current.say(`${this.name} > ${frame}`);
      this.end?.receive(frame);
    });
  }

  /** What the bus sends. `arrived`: the client has read it. */
  down(frame: string, arrived?: () => void): void {
    if (!this.isOpen) return;
    this.#toClient.send(() => {
      World.current.say(`${this.name} < ${frame}`);
      if (this.socket.take(frame)) arrived?.();
    });
  }

  /** The client closes: the bus reads what came before that. */
  clientCloses(): void {
    this.#toServer.send(() => this.#endForBus());
    this.#toServer.cut(Infinity);
    World.current.in(this.network.weather.latencyMs, this.realm, () => this.socket.end(1005));
  }

  /** The bus closes: the client reads what came before that. */
  close(code: number): void {
    if (!this.isOpen) return;
    World.current.say(`${this.name} is closed by the bus, ${code}`);
    this.isOpen = false;
    this.#toClient.send(() => this.socket.end(code));
    this.#toClient.cut(Infinity);
    this.#endForBus();
  }

  /** The connection breaks. Each side notices sooner or later, and reads what was on its way until then, or some of it. */
  cut(): void {
    const { chance } = this.network;
    const arriveUp = chance.whole(0, this.#toServer.underWay);
    const arriveDown = chance.whole(0, this.#toClient.underWay);
    World.current.say(`${this.name} is cut: ${arriveUp} of ${this.#toServer.underWay} arrive at the bus, ${arriveDown} of ${this.#toClient.underWay} at the client`);
    this.#toServer.cut(arriveUp);
    this.#toClient.cut(arriveDown);
    const { now } = World.current;
    // Who is not told notices by the heartbeat.
    const clientMs = chance.weighted([[8, chance.whole(0, 30)], [1, 50_000]]);
    const busMs = chance.weighted([[6, chance.whole(0, 30)], [3, chance.whole(0, 5_000)], [1, 45_000]]);
    World.current.in(this.#toClient.lastAt - now + clientMs, this.realm, () => this.socket.end(1006));
    World.current.in(this.#toServer.lastAt - now + busMs, undefined, () => {
      this.isOpen = false;
      this.#endForBus();
    });
  }

  /** The bus is gone at once, and what it had sent may have arrived. */
  kill(): void {
    this.#toServer.cut(0);
    this.isOpen = false;
    this.#endForBus();
    const { chance } = this.network;
    this.#toClient.cut(chance.whole(0, this.#toClient.underWay));
    World.current.in(this.#toClient.lastAt - World.current.now + chance.whole(0, 30), this.realm, () => this.socket.end(1006));
  }

  /** The page or process is gone: what it had sent may arrive. */
  leave(): void {
    this.#toServer.cut(this.network.chance.whole(0, this.#toServer.underWay));
    this.#toServer.send(() => {});
    World.current.in(this.#toServer.lastAt - World.current.now + this.network.chance.whole(0, 30), undefined, () => this.#endForBus());
  }

  #endForBus(): void {
    this.isOpen = false;
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.network.links.delete(this);
    this.end?.closed();
  }
}

/** The connections of all clients, and how they fare. */
export class Network {
  readonly links = new Set<Link>();
  #opened = 0;

  constructor(
    readonly chance: Chance,
    public weather: Weather,
    private readonly acceptor: Acceptor,
  ) {}

  open(socket: MemorySocket): Link {
    const { realm } = World.current;
    const link = new Link(this, socket, `${realm?.name ?? '?'}#${++this.#opened}`);
    const { latencyMs, refused, swallowed } = this.weather;
    if (this.chance.is(swallowed)) return link; // nothing ever comes
    World.current.in(latencyMs * (0.5 + this.chance.unit()), realm, () => {
      if (socket.readyState !== MemorySocket.CONNECTING) return;
      if (!this.acceptor.isUp || this.chance.is(refused)) return socket.fail();
      this.links.add(link);
      link.end = this.acceptor.accept(link);
      socket.open();
    });
    return link;
  }
}

/** The WebSocket of a browser. */
export class MemorySocket {
  static readonly CONNECTING = 0;
  binaryType = 'blob';
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly #link: Link;

  constructor(readonly url: string) {
    this.#link = World.current.network.open(this);
  }

  send(frame: string): void {
    if (this.readyState === 1) this.#link.up(frame);
  }

  close(): void {
    if (this.readyState >= 2) return;
    const wasOpen = this.readyState === 1;
    this.readyState = 2;
    if (wasOpen) this.#link.clientCloses();
    else World.current.in(0, World.current.realm, () => this.end(1006));
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  /** False: it was closed before. */
  take(frame: string): boolean {
    if (this.readyState !== 1) return false;
    this.onmessage?.({ data: frame });
    return true;
  }

  fail(): void {
    this.readyState = 3;
    this.onerror?.({});
    this.onclose?.({ code: 1006 });
  }

  end(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

/** Polling: there is none, so a client that tries it is told soon. */
export class NoRequest {
  readyState = 0;
  status = 0;
  withCredentials = false;
  responseText = '';
  onreadystatechange: (() => void) | null = null;

  open(): void {}

  setRequestHeader(): void {}

  send(): void {
    World.current.in(20, World.current.realm, () => {
      this.readyState = 4;
      this.onreadystatechange?.();
    });
  }

  abort(): void {}
}
