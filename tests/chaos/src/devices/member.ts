import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';

import type { Chance } from '../chance.ts';
import type { Line } from '../line.ts';
import type { Delivery } from '../model/groups.ts';
import { now, pause } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import { tokenOf } from '../tokens.ts';
import type { World } from '../world.ts';
import type { Act } from './device.ts';
import { Device } from './device.ts';

const kInHandBytesMax = 2 ** 19; // half of queue_bytes_per_socket_max: with so much a member gets no more
const kStillMs = 5_000;

export interface MemberOptions {
  readonly group: string;
  readonly topic: string;
  readonly maxInFlight: number | undefined;
  readonly transport: 'websocket' | 'polling';
}

interface Last {
  readonly delivery: string;
  readonly group: string;
  readonly topic: string;
  readonly attempt: number;
}

/** A process of a service that works on a group's events: it acknowledges, refuses, forgets, and dies with work in hand. */
export class MemberDevice extends Device {
  readonly kind = 'member';
  readonly #options: MemberOptions;
  readonly #socket: Socket;
  #isIn = false;
  #isClosing = false;
  #working = 0;
  #inHandBytes = 0; // of what it has not begun to answer: the server counts no less
  #life = 0;

  constructor(name: string, who: Principal, world: World, line: Line, chance: Chance, options: MemberOptions) {
    super(name, who, world, line, chance);
    this.#options = options;
    this.#socket = io(line.url, { auth: { token: tokenOf(who) }, transports: [options.transport], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 250, timeout: 5_000 });
    this.#socket.on('connect', () => {
      ++this.#life;
      this.#inHandBytes = 0;
      this.push({ kind: 'connected', at: now(), attemptAt: now(), recovered: this.#socket.recovered, hadSession: false, since: undefined, pid: undefined });
      void this.#join(this.#life);
    });
    this.#socket.on('disconnect', (reason) => {
      this.#isIn = false;
      this.push({ kind: 'disconnected', at: now(), reason });
      if (!this.#isClosing) this.judgeDisconnect(reason);
    });
    this.#socket.onAny((name: string, ...args: unknown[]) => this.#heard(name, args));
  }

  get isConnected(): boolean {
    return this.#socket.connected;
  }

  get isSettled(): boolean {
    return this.#socket.connected && this.#isIn && this.#working === 0;
  }

  protected get acts(): readonly Act[] {
    return [['cut', 5, () => this.line.cut()], ['lose', 2, () => this.line.loseClient()], ['stall', 2, () => this.line.stall(this.chance.between(50, 1_000))]];
  }

  settle(): void {
    this.line.heal();
  }

  close(): void {
    this.#isClosing = true;
    this.#socket.disconnect();
    this.line.close();
  }

  // Membership is no part of the session: it is asked for after each CONNECT, until it is there.
  async #join(life: number): Promise<void> {
    const { topic, group, maxInFlight } = this.#options;
    while (this.#life === life && this.#socket.connected && !this.#isClosing) {
      const options = { group, ...(maxInFlight !== undefined && { max_in_flight: maxInFlight }) };
      const answer = await new Promise<{ ok: boolean; offset?: string; error?: { code: string } } | undefined>((resolve) => {
        this.#socket.emit('subscribe', topic, options, resolve);
        this.#socket.once('disconnect', () => resolve(undefined));
      });
      if (answer?.ok === true && this.#life === life) {
        this.world.groups.joined(group, topic, this.who, this.world.ledger.orderOf(answer.offset!));
        this.#isIn = true;
        this.note(`is a member of ${group} on ${topic}`);
        return;
      }
      if (answer !== undefined) this.note(`may not join ${group}: ${answer.error?.code}`);
      await pause(200);
    }
  }

  #heard(name: string, args: unknown[]): void {
    const last = args.at(-1) as Last | undefined;
    const meta = args[1] as { id: string; offset: string } | undefined;
    if (typeof last === 'object' && last !== null && typeof last.delivery === 'string' && meta !== undefined) {
      const delivery: Delivery = { id: meta.id, offset: meta.offset, group: last.group, topic: last.topic, attempt: last.attempt, member: this.name, at: now(), outcome: undefined, answeredAt: Infinity };
      this.world.groups.delivered(delivery);
      this.#judgeInHand(meta.id);
      void this.#work(delivery, last.delivery, padOf(args[0]));
      return;
    }
    const body = (args[0] ?? {}) as Record<string, unknown>;
    this.push({ kind: 'told', at: now(), name, body });
    if (name === 'watch.ended') {
      this.#isIn = false;
      void pause(200).then(() => this.#join(this.#life));
    }
  }

  // Had the server or this process stood still, what was given before could have been taken from it by now.
  #judgeInHand(id: string): void {
    const at = now();
    const { server, stalls } = this.world;
    if (this.#inHandBytes < kInHandBytesMax || server.suffered(at - kStillMs, at, 'pause') || stalls.worstSince(at - kStillMs) > 1_000) return;
    this.report('overrun', `was given ${id} while it had ${this.#inHandBytes} bytes in hand`);
  }

  // Large events take longer, so that they would pile up if more were given.
  async #work(delivery: Delivery, handle: string, bytes: number): Promise<void> {
    ++this.#working;
    this.#inHandBytes += bytes;
    const life = this.#life;
    if (bytes > 0 || this.chance.yes(0.5)) await pause(bytes > 0 ? this.chance.between(20, 100) : this.chance.between(0, 20));
    const dice = this.world.isWild && this.world.isAllowed('nack') ? this.chance.next() : 1;
    if (this.#life === life) this.#inHandBytes -= bytes;
    if (this.#life === life && this.#socket.connected) {
      const command = dice < 0.05 ? ['nack', handle, { delayMs: this.chance.between(0, 300) }] : ['ack', handle];
      const answer = await new Promise<{ ok: boolean } | undefined>((resolve) => {
        this.#socket.emit(command[0] as string, ...command.slice(1), resolve);
        this.#socket.once('disconnect', () => resolve(undefined));
      });
      delivery.answeredAt = now();
      const isAck = command[0] === 'ack';
      delivery.outcome = answer === undefined ? (isAck ? 'perhaps done' : 'no answer') : answer.ok ? (isAck ? 'done' : 'refused') : 'not found';
    } else {
      delivery.outcome = 'no answer';
    }
    --this.#working;
    this.world.happenings.happened();
  }
}

function padOf(data: unknown): number {
  const pad = (data as { pad?: string } | null)?.pad;
  return pad?.length ?? 0;
}
