import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Server } from 'socket.io';
import type { Socket } from 'socket.io';
import type { Session } from 'socket.io-adapter';
import { Adapter } from 'socket.io-adapter';

import { coversEvent, isSubject } from '../src/topic.js';

export type Json = Record<string, unknown>;

/**
 * What the bus does with one command instead of obeying: answer so, say nothing, or break the connection. A function
 * is called behind the answer of a bus that obeys; what it sends arrives in one read with that answer.
 */
export type Script = Json | 'silence' | 'break' | 'break with 1009' | 'obey, then break' | ((socket: Socket) => unknown);

export interface Stored {
  name: string;
  data: unknown;
  meta: { id: string; type: string; source: string; subject?: string; time: string; offset: string };
}

/**
 * A small event bus in memory that speaks docs/wire.md over npm's socket.io, and errs on command: what
 * the tests of a client need and a real server cannot be made to do. One log, subjects, type patterns
 * and groups; every connection may do everything.
 */
export class ScriptedBus {
  /** `auth` of every CONNECT. */
  readonly connects: Json[] = [];
  /** Every command with its arguments, as it came. */
  readonly commands: [name: string, ...args: unknown[]][] = [];
  readonly log: Stored[] = [];
  /** Of the log's offsets. */
  epoch = 1;
  /** What the next CONNECTs are refused with. */
  refusals: { code: string; message: string; retryAfterMs?: number }[] = [];
  /** What the next CONNECTs get instead of an answer: the close of their WebSocket, with this code. */
  unanswered: (number | 'silence')[] = [];
  /** Which tokens it takes. */
  isGood: (token: unknown) => boolean = () => true;
  /** What a CONNECT missed is not sent: it is still on its way. */
  hides = false;
  /** What every connection is shown without asking: type patterns. */
  forAll: string[] = [];
  /** What an event is refused with, and the whole list that it is in. */
  judge: (event: Json) => Json | undefined = () => undefined;
  /** Who is signed in, and for how long repeats are known. */
  principal = 'a hash';
  dedupeWindowMs = 600_000;
  /** Group named after the service; undefined: users' connections, type patterns are plain views. */
  group: string | undefined;
  readonly #scripts = new Map<string, Script[]>();
  readonly #ids = new Map<string, string>();
  readonly #waiters = new Set<() => void>();
  #io: Server | undefined;
  #port = 0;
  #deliveries = 0;

  static async start(options: { recovery?: boolean } = {}): Promise<ScriptedBus> {
    const bus = new ScriptedBus(options.recovery ?? false);
    await bus.listen();
    return bus;
  }

  private constructor(private readonly recovery: boolean) {}

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get sockets(): Socket[] {
    return [...(this.#io?.sockets.sockets.values() ?? [])];
  }

  /** Comes (back) up, on the port it had. */
  async listen(): Promise<void> {
    const http = createServer();
    const io = new Server(http, this.recovery ? { connectionStateRecovery: {}, adapter: Sessions } : {});
    io.use((socket, next) => this.#onHandshake(socket, next));
    io.on('connection', (socket) => this.#onConnection(socket));
    await new Promise<void>((resolve) => http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (http.address() as AddressInfo).port;
    this.#io = io;
  }

  /** Its log is moved away while it is down, and a new one begins. */
  replaceLog(): void {
    this.log.length = 0;
    ++this.epoch;
  }

  /** Goes down as a killed process does: transports break, nobody is told. */
  async stop(): Promise<void> {
    if (this.#io === undefined) return;
    this.breakAll();
    await this.#io.close();
    this.#io = undefined;
  }

  /** Breaks every transport, of those too that have not got to their CONNECT. */
  breakAll(): void {
    const { clients } = this.#io!.engine as unknown as { clients: Record<string, { transport: { close(): void } }> };
    for (const { transport } of Object.values(clients)) transport.close();
  }

  /** The next times that `command` comes, do this instead. */
  script(command: string, ...scripts: Script[]): void {
    this.#scripts.set(command, [...(this.#scripts.get(command) ?? []), ...scripts]);
  }

  /** The end of the log. */
  get end(): string {
    return `${this.epoch}.${this.log.length}`;
  }

  /** The arguments of each `name` command so far. */
  sent(name: string): unknown[][] {
    return this.commands.filter(([command]) => command === name).map(([, ...args]) => args);
  }

  /** Stores an event and shows it to those who watch it. */
  publish(event: { type: string; data: unknown; subject?: string; id?: string; source?: string; emit?: string }): Stored {
    const { type, data, subject, id = `e${this.log.length + 1}`, source = 'service:test', emit = type } = event;
    const meta = { id, type, source, ...(subject !== undefined && { subject }), time: '2026-01-01T00:00:00Z', offset: `${this.epoch}.${this.log.length + 1}` };
    const stored = { name: emit, data, meta };
    this.log.push(stored);
    for (const socket of this.sockets) if (this.#watches(socket, meta)) this.show(stored, socket);
    return stored;
  }

  /** Sends a stored event once more, or for the first time, to one socket or all. */
  show({ name, data, meta }: Stored, ...sockets: Socket[]): void {
    for (const socket of sockets.length > 0 ? sockets : this.sockets) socket.emit(name, data, meta, meta.offset);
  }

  /** Sends what is stored as a history: none of it has a place. */
  showHistory(...stored: Stored[]): void {
    this.showHistoryOf(undefined, ...stored);
  }

  /** The same of a server that says of which topic it is. */
  showHistoryOf(topic: string | undefined, ...stored: Stored[]): void {
    for (const { name, data, meta } of stored) for (const socket of this.sockets) socket.emit(name, data, meta, { offset: meta.offset, ...(topic !== undefined && { topic }) });
  }

  /** Gives an event to the group's member. */
  deliver({ name, data, meta }: Stored, group: string, topic: string, attempt = 1): string {
    const delivery = `d${++this.#deliveries}`;
    this.sockets[0]?.emit(name, data, meta, { offset: meta.offset, delivery, group, topic, attempt });
    return delivery;
  }

  /** Resolves when `condition` holds; looked at whenever something arrives. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  #stir(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  #onHandshake(socket: Socket, next: (error?: Error) => void): void {
    this.connects.push(socket.handshake.auth);
    this.#stir();
    const instead = this.unanswered.shift();
    if (typeof instead === 'number') return closeWith(socket, instead);
    if (instead === 'silence') return;
    const { principal } = socket.handshake.auth;
    const isOther = principal !== undefined && principal !== this.principal;
    const bad = this.isGood(socket.handshake.auth.token) ? undefined : { code: 'unauthorized', message: 'It is not accepted.' };
    const refusal = isOther ? { code: 'principal_changed', message: 'Somebody else is signed in.' } : (bad ?? this.refusals.shift());
    if (refusal === undefined) return next();
    const { message, ...data } = refusal;
    next(Object.assign(new Error(message), { data }));
  }

  #onConnection(socket: Socket): void {
    socket.data.topics ??= new Set<string>();
    socket.on('disconnect', () => this.#stir());
    socket.onAny((name: string, ...args: unknown[]) => this.#onCommand(socket, name, args));
    const { since, topics, offset } = socket.handshake.auth as { since?: string; topics?: string[]; offset?: string };
    const from = socket.recovered ? offset : since;
    if (!socket.recovered) for (const topic of topics ?? []) socket.data.topics.add(topic);
    const isLost = from !== undefined && !this.#knows(from);
    if (isLost) socket.emit('resume.unknown', { code: 'since', reason: 'It is of another log.', to: this.end });
    if (this.hides) return;
    const missed = from === undefined || isLost ? [] : this.log.filter(({ meta }) => isAfter(meta.offset, from) && this.#watches(socket, meta));
    for (const stored of missed) this.show(stored, socket);
    const { principal, dedupeWindowMs, end } = this;
    socket.emit('resume.done', { missed: missed.length, principal, dedupeWindowMs }, end);
  }

  #onCommand(socket: Socket, name: string, args: unknown[]): void {
    const ack = args.pop() as (answer: Json) => void;
    this.commands.push([name, ...args]);
    const script = this.#scripts.get(name)?.shift();
    if (script === 'break') socket.conn.transport.close();
    else if (script === 'break with 1009') closeWith(socket, 1009);
    else if (script === 'obey, then break') {
      this.#obey(socket, name, args, () => {});
      socket.conn.transport.close();
    } else if (typeof script === 'object') ack(script);
    else if (script !== 'silence') {
      inOneWrite(socket, () => {
        this.#obey(socket, name, args, ack);
        script?.(socket);
      });
    }
    this.#stir();
  }

  #obey(socket: Socket, name: string, [first, second]: unknown[], ack: (answer: Json) => void): void {
    const topics = socket.data.topics as Set<string>;
    if (name === 'subscribe' && typeof first === 'string') {
      const { since, group = this.group } = (second ?? {}) as { since?: string; group?: string | null };
      if (since !== undefined && !this.#knows(since)) return ack({ ok: false, error: { code: 'bad_offset', message: 'It is of another log.' } });
      const isGroup = !isSubject(first) && typeof group === 'string';
      if (!isGroup) topics.add(first);
      ack({ ok: true, topic: first, offset: since ?? this.end, ...(isGroup && { group }) });
      for (const { name: emit, data, meta } of this.log) {
        if (since !== undefined && isAfter(meta.offset, since) && coversEvent(first, meta)) socket.emit(emit, data, meta, { offset: meta.offset });
      }
      return;
    }
    if (name === 'unsubscribe') topics.delete(first as string);
    if (name !== 'publish') return ack({ ok: true });
    const error = ([first].flat() as Json[]).map((event) => this.judge(event)).find((refusal) => refusal !== undefined);
    if (error !== undefined) return ack({ ok: false, error });
    ack(Array.isArray(first) ? { ok: true, events: first.map((event) => this.#store(event)) } : { ok: true, ...this.#store(first as Json) });
  }

  #watches(socket: Socket, event: { type: string; subject?: string }): boolean {
    return [...this.forAll, ...((socket.data.topics as Set<string> | undefined) ?? [])].some((topic) => coversEvent(topic, event));
  }

  #knows(offset: string): boolean {
    return offset.startsWith(`${this.epoch}.`);
  }

  #store(event: Json): Json {
    const { id, type, data } = event as { id: string; type: string; data: unknown };
    const known = this.#ids.get(id);
    if (known !== undefined) return { id, offset: known, duplicate: true };
    const { offset } = this.publish({ id, type, data }).meta;
    this.#ids.set(id, offset);
    return { id, offset, duplicate: false };
  }
}

// Knows sessions again as the server does: by their pid, whatever the offset. What they missed is the bus's own.
class Sessions extends Adapter {
  readonly #known = new Map<string, Omit<Session, 'missedPackets'>>();

  override persistSession(session: Omit<Session, 'missedPackets'>): void {
    this.#known.set(session.pid, session);
  }

  override async restoreSession(pid: string): Promise<Session> {
    const known = this.#known.get(pid);
    return known === undefined ? (null as unknown as Session) : { ...known, missedPackets: [] };
  }
}

// All that `turn` sends to the socket leaves together, and is read together.
function inOneWrite({ conn }: Socket, turn: () => void): void {
  const { transport } = conn;
  const { writable } = transport;
  transport.writable = false;
  turn();
  transport.writable = writable;
  (conn as unknown as { flush(): void }).flush();
}

function isAfter(offset: string, since: string): boolean {
  return Number(offset.split('.')[1]) > Number(since.split('.')[1]);
}

function closeWith(socket: Socket, code: number): void {
  (socket.conn.transport as unknown as { socket: { close(code: number): void } }).socket.close(code);
}
