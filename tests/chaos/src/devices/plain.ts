import type { ManagerOptions, Socket, SocketOptions } from 'socket.io-client';
import { io } from 'socket.io-client';

import type { Chance } from '../chance.ts';
import { isSubject } from '../catalog.ts';
import type { Line } from '../line.ts';
import type { Order } from '../model/ledger.ts';
import type { Ask } from '../model/trace.ts';
import { now, pause } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import { tokenOf } from '../tokens.ts';
import type { World } from '../world.ts';
import type { Act } from './device.ts';
import { Device } from './device.ts';

export type Way = 'websocket' | 'polling' | 'upgrade';

const kTransports: Record<Way, string[]> = { websocket: ['websocket'], polling: ['polling'], upgrade: ['polling', 'websocket'] };

export interface PlainOptions {
  readonly way: Way;
  /** Whether it gives `since` when its session is not known, as a page that was loaded again does. */
  readonly keepsPlace: boolean;
}

/** A place as the server gave it, and where in the log that was then. */
interface Place {
  readonly offset: string;
  readonly order: Order;
}

/** socket.io-client as it is, with a page's habits: it asks for topics, changes its mind, drops and leaves. */
export class PlainDevice extends Device {
  readonly kind = 'socket';
  readonly options: PlainOptions;
  /** What it wants to be in. */
  readonly wants = new Set<string>();
  readonly #open = new Set<Ask>();
  readonly #unclear = new Set<string>(); // topics of commands that were lost
  #socket: Socket;
  #attemptAt = 0;
  #sinceSent: Order | undefined;
  #hasSession = false;
  #last: Place | undefined;
  #isLeaving = false;

  constructor(name: string, who: Principal, world: World, line: Line, chance: Chance, options: PlainOptions) {
    super(name, who, world, line, chance);
    this.options = options;
    this.#socket = this.#begin();
  }

  get isConnected(): boolean {
    return this.#socket.connected;
  }

  get isSettled(): boolean {
    return this.#socket.connected && this.#open.size === 0 && this.#unclear.size === 0;
  }

  protected get acts(): readonly Act[] {
    if (!this.#socket.connected) return [];
    const { chance, line } = this;
    return [
      ['gallery', 16, () => this.#watchSeveral()],
      ['watch', 4, () => this.ask('subscribe', chance.pick(this.#topics))],
      ['flip', 6, () => this.#flip()],
      ['unwatch', 4, () => this.#unwatchSome()],
      ['past', 6, () => this.#watchThePast()],
      ['join', 6, () => this.#watchInABurst()],
      ['cut', 6, () => line.cut()],
      ['lose', 2, () => line.loseClient()],
      ['hole', 1, () => line.blackhole()],
      ['stall', 2, () => line.stall(chance.between(50, 1_500))],
      ['away', 4, () => this.goAway(chance.between(200, 2_500))],
      ['leave', 2, () => this.#leave()],
    ];
  }

  settle(): void {
    this.line.heal();
    if (!this.#socket.connected && !this.#socket.active) this.#socket.connect();
    if (this.#socket.connected) this.#clearUp();
  }

  close(): void {
    this.#isLeaving = true;
    this.#socket.disconnect();
    this.line.close();
  }

  /** What it asks for when it has connected for the first time. */
  onceThere(topics: readonly string[]): void {
    this.#socket.once('connect', () => topics.forEach((topic) => this.ask('subscribe', topic)));
  }

  ask(command: Ask['command'], topic: string, since?: Place): void {
    if (!this.#socket.connected) return;
    const ask: Ask = { command, topic, since: since?.order, sentAt: now(), answeredAt: Infinity, ok: undefined, order: undefined, code: undefined };
    if (command === 'subscribe') this.wants.add(topic);
    else this.wants.delete(topic);
    this.#open.add(ask);
    this.#unclear.delete(topic);
    this.push({ kind: 'asked', at: now(), ask });
    const options = { ...(since !== undefined && { since: since.offset }), ...(!isSubject(topic) && { group: null }) };
    const onAnswer = (answer: { ok: boolean; offset?: string; error?: { code: string; message: string } }): void => {
      if (!this.#open.delete(ask)) return;
      ask.answeredAt = now();
      ask.ok = answer.ok;
      ask.code = answer.error?.code;
      if (answer.offset !== undefined) ask.order = this.world.ledger.orderOf(answer.offset);
      if (!answer.ok) this.#refused(ask);
      this.push({ kind: 'answered', at: now(), ask });
    };
    if (Object.keys(options).length > 0) this.#socket.emit(command, topic, options, onAnswer);
    else this.#socket.emit(command, topic, onAnswer);
  }

  #begin(): Socket {
    const options: Partial<ManagerOptions & SocketOptions> = {
      transports: kTransports[this.options.way],
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 250,
      timeout: 5_000,
      auth: (give) => {
        this.#attemptAt = now();
        const since = this.options.keepsPlace ? this.#last : undefined;
        this.#sinceSent = since?.order;
        give({ token: tokenOf(this.who), ...(since !== undefined && { since: since.offset }) });
      },
    };
    const socket = io(this.line.url, options);
    socket.on('connect', () => this.#connected(socket));
    socket.on('disconnect', (reason) => this.#disconnected(reason));
    socket.on('connect_error', (error) => {
      if (!socket.active) this.report('refused', `its sign-in was refused: ${error.message}`);
    });
    socket.onAny((name: string, ...args: unknown[]) => this.#heard(name, args));
    return socket;
  }

  #connected(socket: Socket): void {
    const { pid } = { pid: (socket as unknown as { _pid?: string })._pid };
    this.push({ kind: 'connected', at: now(), attemptAt: this.#attemptAt, recovered: socket.recovered, hadSession: this.#hasSession, since: this.#sinceSent, pid });
    this.#hasSession = pid !== undefined;
    if (!socket.recovered) for (const topic of this.wants) this.#unclear.add(topic);
    this.#clearUp();
  }

  // Asks again for what it does not know the state of.
  #clearUp(): void {
    for (const topic of [...this.#unclear]) {
      if (this.wants.has(topic)) this.ask('subscribe', topic, isSubject(topic) && !this.#socket.recovered ? this.#last : undefined);
      else this.ask('unsubscribe', topic);
    }
  }

  #disconnected(reason: string): void {
    this.push({ kind: 'disconnected', at: now(), reason });
    for (const ask of this.#open) this.#unclear.add(ask.topic);
    this.#open.clear();
    if (!this.#isLeaving) this.judgeDisconnect(reason);
  }

  #refused(ask: Ask): void {
    if (ask.command === 'unsubscribe') return;
    if (ask.code === 'unavailable' || ask.code === 'read_only' || ask.code === 'timeout') {
      this.#unclear.add(ask.topic);
      void pause(200).then(() => (this.#socket.connected ? this.#clearUp() : undefined));
    } else {
      this.wants.delete(ask.topic);
    }
  }

  #heard(name: string, args: unknown[]): void {
    const meta = args[1] as { id?: string; offset?: string } | undefined;
    const last = args.at(-1);
    if (typeof meta === 'object' && meta !== null && typeof meta.id === 'string' && typeof meta.offset === 'string') {
      const place = typeof last === 'string' ? this.world.ledger.orderOf(last) : undefined;
      if (typeof last === 'string') this.#last = { offset: last, order: place! };
      const hasSecret = (args[0] as { secret?: unknown }).secret !== undefined;
      this.push({ kind: 'event', at: now(), id: meta.id, offset: meta.offset, order: this.world.ledger.orderOf(meta.offset), place, hasSecret });
      return;
    }
    const body = (args[0] ?? {}) as Record<string, unknown>;
    if (name === 'watch.ended' && typeof body.topic === 'string' && ![...this.#open].some(({ topic }) => topic === body.topic)) this.wants.delete(body.topic);
    this.push({ kind: 'told', at: now(), name, body });
  }

  // --- What a user does -----------------------------------------------------------------------------

  get #topics(): string[] {
    return this.who.kind === 'service' ? ['photo.note', 'photo.*', 'note.**', 'photo.uploaded'] : this.world.photos.map((photo) => `photo:${photo}`);
  }

  // Without waiting for any answer, as a page does that shows a gallery.
  #watchSeveral(): void {
    for (const topic of this.chance.some(this.#topics, this.chance.between(1, 12))) this.ask('subscribe', topic);
  }

  #unwatchSome(): void {
    for (const topic of this.chance.some([...this.wants], this.chance.between(1, 4))) this.ask('unsubscribe', topic);
  }

  #flip(): void {
    for (const topic of this.chance.some(this.#topics, this.chance.between(1, 4))) {
      for (let i = this.chance.between(1, 3); i >= 0; --i) this.ask(this.chance.yes(0.5) ? 'subscribe' : 'unsubscribe', topic);
    }
  }

  #watchThePast(): void {
    if (this.who.kind === 'service') return;
    const facts = [...this.world.ledger.facts.values()].filter(({ order, isErased }) => order !== undefined && order >= this.world.ledger.keptFrom && !isErased);
    if (facts.length === 0) return;
    const topic = this.chance.pick(this.#topics);
    if (!this.wants.has(topic)) this.ask('subscribe', topic, this.chance.pick(facts) as Place);
  }

  // Joins while events of the topic are on their way, best as somebody who gets them as their owner, too.
  async #watchInABurst(): Promise<void> {
    const owned = this.world.photos.filter((photo) => this.world.ledger.ownerNow(photo) === this.who.name);
    const topic = owned.length > 0 ? `photo:${this.chance.pick(owned)}` : this.chance.pick(this.#topics);
    if (this.wants.has(topic)) this.ask('unsubscribe', topic);
    await this.world.happenings.until(() => this.#open.size === 0, 1_000);
    if (isSubject(topic)) this.onBurst?.(topic.slice('photo:'.length));
    await pause(this.chance.pick([0, 1, 2, 4, 8, 16]));
    this.ask('subscribe', topic);
  }

  /** Somebody who publishes a burst about a photo; without waiting. */
  onBurst: ((photo: string) => void) | undefined;

  // Ends its session, and comes as somebody who was never there.
  async #leave(): Promise<void> {
    this.#isLeaving = true;
    this.#socket.disconnect();
    this.push({ kind: 'left', at: now() });
    this.wants.clear();
    this.#unclear.clear();
    this.#open.clear();
    this.#hasSession = false;
    this.#last = undefined;
    await pause(this.chance.between(0, 300));
    this.#isLeaving = false;
    this.#socket = this.#begin();
  }
}
