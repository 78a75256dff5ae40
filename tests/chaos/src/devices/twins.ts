import { isSubject } from '../catalog.ts';
import type { Chance } from '../chance.ts';
import type { Line } from '../line.ts';
import type { Order } from '../model/ledger.ts';
import type { Ask, Step } from '../model/trace.ts';
import { now, pause } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import { tokenOf } from '../tokens.ts';
import type { World } from '../world.ts';
import type { Act } from './device.ts';
import { Device } from './device.ts';

const kOutcomeMs = 8_000;

/** One WebSocket that speaks Socket.IO by hand, since a library would not resume one session twice. */
class Contender {
  readonly steps: Step[] = [];
  pid: string | undefined;
  last: string | undefined;
  isOpen = false;
  isClosed = false;
  isIn = false;
  onStep: ((step: Step) => void) | undefined;
  readonly #socket: WebSocket;
  readonly #world: World;
  readonly #acks = new Map<number, (answer: Record<string, unknown>) => void>();
  #nextAck = 0;
  #attemptAt = 0;
  #asked: string | undefined;
  #seen: Order | undefined;

  constructor(world: World, url: string) {
    this.#world = world;
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    this.#socket.addEventListener('message', ({ data }) => this.#heard(String(data)));
    this.#socket.addEventListener('close', () => this.#ended());
    this.#socket.addEventListener('error', () => this.#ended());
  }

  signIn(token: string, pid: string | undefined, offset: string | undefined): void {
    this.#attemptAt = now();
    this.#asked = pid;
    this.#seen = offset === undefined ? undefined : this.#world.ledger.orderOf(offset);
    this.last = offset;
    this.#send(`40${JSON.stringify({ token, ...(pid !== undefined && { pid }), ...(offset !== undefined && { offset }) })}`);
  }

  ask(command: string, args: unknown[], onAnswer: (answer: Record<string, unknown>) => void): void {
    const id = this.#nextAck++;
    this.#acks.set(id, onAnswer);
    this.#send(`42${id}${JSON.stringify([command, ...args])}`);
  }

  /** Away, without a word of Socket.IO's. */
  drop(): void {
    this.#socket.close();
    this.#ended();
  }

  #send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  #ended(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isIn = false;
    this.#step({ kind: 'disconnected', at: now(), reason: 'closed' });
  }

  #step(step: Step): void {
    this.steps.push(step);
    this.onStep?.(step);
    this.#world.happenings.happened();
  }

  #heard(text: string): void {
    if (this.isClosed) return;
    if (text === '2') return this.#send('3');
    if (text.startsWith('0')) {
      this.isOpen = true;
      this.#world.happenings.happened();
    } else if (text.startsWith('40')) {
      this.pid = (JSON.parse(text.slice(2)) as { pid?: string }).pid;
      this.isIn = true;
      this.#step({ kind: 'connected', at: now(), attemptAt: this.#attemptAt, recovered: this.#asked !== undefined && this.pid === this.#asked, hadSession: this.#asked !== undefined, since: undefined, pid: this.pid, seen: this.#seen });
    } else if (text.startsWith('43')) {
      const [, id, json] = /^43(\d+)(.*)$/s.exec(text)!;
      this.#acks.get(Number(id))?.((JSON.parse(json!) as [Record<string, unknown>])[0]);
      this.#acks.delete(Number(id));
    } else if (text.startsWith('42')) {
      this.#event(JSON.parse(text.slice(2)) as unknown[]);
    }
  }

  #event([name, data, meta, last]: unknown[]): void {
    const { ledger } = this.#world;
    if (typeof meta !== 'object' || meta === null) {
      this.#step({ kind: 'told', at: now(), name: String(name), body: (data ?? {}) as Record<string, unknown> });
      return;
    }
    const { id, offset } = meta as { id: string; offset: string };
    if (typeof last === 'string') this.last = last;
    this.#step({ kind: 'event', at: now(), id, offset, order: ledger.orderOf(offset), place: typeof last === 'string' ? ledger.orderOf(last) : undefined, hasSecret: (data as { secret?: unknown }).secret !== undefined });
  }
}

/** A page that was duplicated: several sockets come with one `pid` at the same moment, and one of them has to stay. */
export class TwinsDevice extends Device {
  readonly kind = 'socket';
  readonly #wants = new Set<string>();
  readonly #unclear = new Set<string>();
  readonly #open = new Set<Ask>();
  readonly #note: (user: string) => string;
  #current: Contender | undefined;
  #pid: string | undefined;
  #last: string | undefined;
  #isBusy = false;
  #isClosing = false;

  /** `note` publishes something for a user, and gives its id. */
  constructor(name: string, who: Principal, world: World, line: Line, chance: Chance, note: (user: string) => string) {
    super(name, who, world, line, chance);
    this.#note = note;
    void this.#contest(1);
  }

  get isConnected(): boolean {
    return this.#current?.isIn === true;
  }

  get isSettled(): boolean {
    return !this.#isBusy && this.#current?.isIn === true && this.#open.size === 0 && this.#unclear.size === 0;
  }

  protected get acts(): readonly Act[] {
    if (this.#isBusy) return [];
    const { chance } = this;
    if (this.#current?.isIn !== true) return [['contest', 50, () => this.#contest(chance.between(1, 4))], ['back', 50, () => this.#contest(1)]];
    return [
      ['contest', 40, () => this.#contest(chance.between(2, 4))],
      ['gallery', 25, () => chance.some(this.world.photos, chance.between(1, 4)).forEach((photo) => this.#ask('subscribe', `photo:${photo}`))],
      ['unwatch', 5, () => chance.some([...this.#wants], 2).forEach((topic) => this.#ask('unsubscribe', topic))],
    ];
  }

  settle(): void {
    this.line.heal();
    if (!this.#isBusy && this.#current?.isIn !== true) void this.#contest(1);
  }

  close(): void {
    this.#isClosing = true;
    this.#current?.drop();
    this.line.close();
  }

  async #contest(count: number): Promise<void> {
    if (this.#isBusy || this.#isClosing) return;
    this.#isBusy = true;
    const began = now();
    const before = this.#current;
    if (before !== undefined && this.chance.yes(0.6)) before.drop();
    const contenders = Array.from({ length: count }, () => new Contender(this.world, this.line.url));
    await this.world.happenings.until(() => contenders.every(({ isOpen, isClosed }) => isOpen || isClosed), kOutcomeMs);
    const last = before?.last ?? this.#last;
    const token = tokenOf(this.who);
    for (const contender of contenders) contender.signIn(token, this.#pid, last);
    if (count > 1) {
      await pause(this.chance.between(0, 30));
      for (const contender of this.chance.some(contenders, this.chance.below(count))) contender.drop();
    }
    await this.#outcome(before === undefined ? contenders : [before, ...contenders], began, last);
    this.#isBusy = false;
    this.world.happenings.happened();
    if (this.#current?.isIn === true) this.#clearUp();
  }

  async #outcome(all: Contender[], began: number, last: string | undefined): Promise<void> {
    const { happenings, server } = this.world;
    await happenings.until(() => all.every(({ isIn, isClosed }) => isIn || isClosed), kOutcomeMs);
    const id = this.#note(this.who.name);
    const has = (one: Contender): boolean => one.steps.some((step) => step.kind === 'event' && step.id === id);
    const open = (): Contender[] => all.filter(({ isClosed }) => !isClosed);
    await happenings.until(() => open().length === 0 || (open().length === 1 && has(open()[0]!)), kOutcomeMs);
    const left = open();
    const isVoid = server.suffered(began, now()) || !server.isUp || this.line.faultAt > began || this.world.stalls.worstSince(began) > 1_000;
    if (!isVoid && left.length > 1) {
      const which = left.map((one) => `${all.indexOf(one)}${one.isIn ? ' (signed in)' : ''}${has(one) ? ' (gets events)' : ''}`).join(', ');
      this.report('two stay', `of ${all.length} sockets with one pid ${left.length} were there after ${kOutcomeMs} ms: ${which}`, { id });
    } else if (!isVoid && left.length === 1 && left[0]!.isIn && !has(left[0]!)) {
      this.report('deaf', `the socket that stayed after a take-over of ${all.length} did not get ${id} within ${kOutcomeMs} ms`, { id });
    }
    const winner = left.find((one) => one.isIn && has(one)) ?? left.find(({ isIn }) => isIn);
    for (const one of all) if (one !== winner) one.drop();
    this.#take(winner, last);
  }

  // What the one that stayed saw is the trace of this client; what the others saw does not count, as nobody looks at them.
  #take(winner: Contender | undefined, last: string | undefined): void {
    const before = this.#current;
    if (before !== undefined && before !== winner) {
      before.onStep = undefined;
      if (this.trace.at(-1)?.kind !== 'disconnected') this.push({ kind: 'disconnected', at: now(), reason: 'taken over' });
      for (const ask of this.#open) this.#unclear.add(ask.topic);
      this.#open.clear();
    }
    this.#current = winner;
    this.#last = last;
    if (winner === undefined || winner === before) return;
    for (const step of winner.steps) this.push(step);
    const connected = winner.steps.find((step) => step.kind === 'connected');
    if (connected?.kind === 'connected' && !connected.recovered) for (const topic of this.#wants) this.#unclear.add(topic);
    this.#pid = winner.pid;
    winner.onStep = (step) => {
      this.push(step);
      if (step.kind === 'told' && step.name === 'watch.ended' && ![...this.#open].some(({ topic }) => topic === step.body.topic)) this.#wants.delete(String(step.body.topic));
      if (step.kind !== 'disconnected') return;
      for (const ask of this.#open) this.#unclear.add(ask.topic);
      this.#open.clear();
      this.#last = winner.last;
      if (!this.#isBusy && !this.#isClosing) this.judgeDisconnect(step.reason);
    };
    for (const step of winner.steps) if (step.kind === 'told' && step.name === 'watch.ended') this.#wants.delete(String(step.body.topic));
  }

  #clearUp(): void {
    for (const topic of [...this.#unclear]) this.#ask(this.#wants.has(topic) ? 'subscribe' : 'unsubscribe', topic);
  }

  #ask(command: Ask['command'], topic: string): void {
    const current = this.#current;
    if (current?.isIn !== true || !isSubject(topic)) return;
    const ask: Ask = { command, topic, since: undefined, sentAt: now(), answeredAt: Infinity, ok: undefined, order: undefined, code: undefined };
    if (command === 'subscribe') this.#wants.add(topic);
    else this.#wants.delete(topic);
    this.#unclear.delete(topic);
    this.#open.add(ask);
    this.push({ kind: 'asked', at: now(), ask });
    current.ask(command, [topic], (answer) => {
      if (!this.#open.delete(ask)) return;
      ask.answeredAt = now();
      ask.ok = answer.ok === true;
      ask.code = (answer.error as { code: string } | undefined)?.code;
      if (typeof answer.offset === 'string') ask.order = this.world.ledger.orderOf(answer.offset);
      if (!ask.ok && command === 'subscribe') this.#wants.delete(topic);
      this.push({ kind: 'answered', at: now(), ask });
    });
  }
}
