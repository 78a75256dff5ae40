import type { Chance } from './chance.js';
import { Groups } from './groups.js';
import { Log } from './log.js';
import type { Acceptor, Link, ServerEnd } from './network.js';
import { Seat } from './seat.js';
import type { Session } from './seat.js';
import type { Person, Token } from './tokens.js';
import { principalOf, readToken } from './tokens.js';
import { World } from './world.js';

/** How the bus is set up, and how often it errs. */
export interface Habits {
  readonly recovery: boolean;
  readonly maxPayload: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** That a command is refused for now; that one of `subscribe` is refused for good. */
  refused: number;
  /** That a CONNECT is refused, or its connection closed. */
  unwelcome: number;
  /** That a session is not known any more. */
  forgotten: number;
  /** That an answer, or what is due to a socket, takes up to this long. */
  slow: number;
  readonly slowMs: number;
  /** How many events are sent in one turn at most. */
  readonly atOnce: number;
  /** That an answer is sent twice. */
  doubled: number;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** Something that the bus told one client, for the judges. */
export interface Told {
  readonly client: string;
  readonly what: 'gap' | 'ended' | 'refused' | 'subscribed' | 'connect refused';
  readonly topic?: string;
  readonly code?: string;
  readonly sequence: number; // what was stored by then
  readonly at: number;
}

export type Json = Record<string, unknown>;

/** A bus in memory: what docs/wire.md says, without threads and disks. */
export class Bus implements Acceptor {
  isUp = true;
  readonly log = new Log();
  readonly groups: Groups;
  readonly sessions = new Map<string, Session>();
  readonly seats = new Set<Seat>();
  readonly told: Told[] = [];
  /** Closes for a message above `maxPayload`. */
  tooLargeCloses = 0;
  /** Closes for the end of a token, by client. */
  readonly expiries = new Map<string, number>();
  /** Tokens of these clients are refused. */
  readonly distrusted = new Set<string>();
  /** Looks at what a client that may come in has asked for. */
  admits: (token: Token, auth: Json) => void = () => {};
  /** A client has read who it is signed in as. */
  named: (client: string) => void = () => {};
  readonly #published = new Map<string, { position: string; body: string }>();
  #names = 0;

  constructor(
    readonly chance: Chance,
    public habits: Habits,
  ) {
    this.groups = new Groups(this.log, chance);
  }

  accept(link: Link): ServerEnd {
    const connection = new Connection(this, link);
    connection.open();
    return connection;
  }

  /** Kills it: connections break. It comes up again after `downMs`; with `isReplaced`, its log is another one then. */
  kill(downMs: number, isReplaced: boolean): void {
    World.current.say(`the bus is killed for ${downMs} ms${isReplaced ? ', and its log is replaced' : ''}`);
    this.isUp = false;
    for (const link of [...World.current.network.links]) link.kill();
    World.current.in(downMs, undefined, () => {
      this.isUp = true;
      if (isReplaced) {
        this.log.replace();
        this.sessions.clear();
        this.groups.replaced();
        this.#published.clear();
      } else this.log.restart();
      World.current.say(`the bus is up, its log ends at ${this.log.offsetAt(this.log.end)}`);
    });
  }

  tell(told: Omit<Told, 'sequence' | 'at'>): void {
    this.told.push({ ...told, sequence: this.log.endSequence, at: World.current.now });
  }

  name(kind: string): string {
    return `${kind}${++this.#names}`;
  }

  /** How long something takes. */
  delay(): number {
    return this.chance.is(this.habits.slow) ? this.chance.whole(0, this.habits.slowMs) : this.chance.whole(0, 8);
  }

  /** Stores what was published, once for each source and id. */
  publish(source: string, events: readonly Json[]): Json[] | Refusal {
    const known = events.map((event) => this.#published.get(`${source}\n${String(event.id)}`));
    for (const [at, event] of events.entries()) {
      if (known[at] !== undefined && known[at].body !== JSON.stringify(event)) return { code: 'id_reused', message: 'Another event has this id.' };
    }
    return events.map((event, at) => {
      const before = known[at];
      if (before !== undefined) return { id: event.id, offset: before.position, duplicate: true };
      const { offset } = this.store(source, event as { id: string; type: string; data: Json });
      this.#published.set(`${source}\n${String(event.id)}`, { position: offset, body: JSON.stringify(event) });
      return { id: event.id, offset, duplicate: false };
    });
  }

  store(source: string, { id, type, data }: { id?: string; type: string; data: Json }): { offset: string } {
    const entry = this.log.append({ id: id ?? this.name('e'), source, type, data });
    World.current.say(`stored ${entry.offset} ${type} ${JSON.stringify(data)} by ${source}`);
    for (const seat of this.seats) seat.wake();
    this.groups.stored();
    return entry;
  }
}

/** A connection: Engine.IO, and CONNECT. */
class Connection implements ServerEnd {
  #seat: Seat | undefined;
  #isConnecting = false;
  #isClosed = false;
  #refusals = 0;

  constructor(
    private readonly bus: Bus,
    private readonly link: Link,
  ) {}

  open(): void {
    const { maxPayload, pingIntervalMs: pingInterval, pingTimeoutMs: pingTimeout } = this.bus.habits;
    this.link.down(`0${JSON.stringify({ sid: this.bus.name('engine'), upgrades: [], pingInterval, pingTimeout, maxPayload })}`);
    World.current.in(pingInterval, undefined, () => this.#ping());
    World.current.in(10_000, undefined, () => {
      if (this.#seat === undefined && !this.#isConnecting) this.#close(1001);
    });
  }

  receive(frame: string): void {
    if (this.#isClosed) return;
    if (Buffer.byteLength(frame) > this.bus.habits.maxPayload) {
      ++this.bus.tooLargeCloses;
      return this.#close(1009);
    }
    if (frame === '3') return this.#onPong();
    if (frame === '1' || frame === '41') return this.#leave(frame === '1');
    const [, type, id, json] = /^4([02])(\d*)(.*)$/s.exec(frame) ?? [];
    if (type === '0' && this.#seat === undefined && !this.#isConnecting) return this.#connect(JSON.parse(json === '' ? '{}' : json!) as Json);
    if (type === '2' && this.#seat !== undefined) return this.#seat.command(id === '' ? undefined : id, JSON.parse(json!) as unknown[]);
    World.current.fault(`${this.link.name} sent what is malformed: ${frame}`);
    this.#close(1008);
  }

  closed(): void {
    this.#isClosed = true;
    this.#seat?.end(false);
  }

  #close(code: number): void {
    this.link.close(code);
  }

  #leave(isEnd: boolean): void {
    this.#seat?.end(true);
    this.#seat = undefined;
    if (isEnd) this.#close(1000);
  }

  // ---- the heartbeat ------------------------------------------------------------------------------

  #awaited = false;

  #ping(): void {
    if (this.#isClosed) return;
    this.#awaited = true;
    this.#seat?.pinged();
    this.link.down('2');
    World.current.in(this.bus.habits.pingTimeoutMs, undefined, () => {
      if (this.#awaited && !this.#isClosed) this.#close(1000);
    });
  }

  #onPong(): void {
    if (!this.#awaited) return;
    this.#awaited = false;
    this.#seat?.ponged();
    World.current.in(this.bus.habits.pingIntervalMs, undefined, () => this.#ping());
  }

  // ---- CONNECT ------------------------------------------------------------------------------------

  #connect(auth: Json): void {
    const { bus } = this;
    const token = readToken(auth.token);
    if (token === undefined) return this.#refuse({ code: 'unauthorized', message: 'A token is missing.' }, undefined);
    if (bus.distrusted.has(token.client)) return this.#refuse({ code: 'unauthorized', message: 'The token is not trusted.' }, token);
    if (token.expiresAt <= World.current.date) return this.#refuse({ code: 'token_expired', message: 'The token has expired.' }, token);
    if (typeof auth.principal === 'string' && auth.principal !== principalOf(token)) {
      return this.#refuse({ code: 'principal_changed', message: 'Somebody else is signed in.' }, token);
    }
    bus.admits(token, auth);
    if (bus.chance.is(bus.habits.unwelcome)) {
      if (bus.chance.is(0.5)) return this.#close(1001);
      return this.#refuse({ code: 'too_many', message: 'Too many sign in.', retryAfterMs: bus.chance.whole(10, 3_000) }, token);
    }
    this.#isConnecting = true;
    World.current.in(bus.delay(), undefined, () => {
      this.#isConnecting = false;
      if (!this.#isClosed) this.#seat = Seat.take(bus, this.link, token, auth);
    });
  }

  #refuse(refusal: Refusal, person: Person | undefined): void {
    if (person !== undefined) this.bus.tell({ client: person.client, what: 'connect refused', code: refusal.code });
    this.link.down(`44${JSON.stringify({ message: refusal.message, data: refusal })}`);
    if (++this.#refusals >= 8) this.#close(1008);
  }
}
