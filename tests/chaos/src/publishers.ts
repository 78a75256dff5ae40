// Those who publish: each event until it is answered, in one of four ways, over lines that break.
import type { EventBus } from '@shared-infra/event-bus';
import { createEventBus } from '@shared-infra/event-bus';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';

import type { Chance } from './chance.ts';
import { kTypes } from './catalog.ts';
import type { Line } from './line.ts';
import type { Fact } from './model/ledger.ts';
import { now, pause } from './moments.ts';
import { service, tokenOf } from './tokens.ts';
import type { World } from './world.ts';

export type Manner = 'list' | 'each' | 'socket' | 'sdk';

interface Answer {
  readonly ok: boolean;
  readonly id?: string;
  readonly offset?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

const kPublishMs = 6_000;
const kAgainMs = 40;
const kPassing = new Set(['read_only', 'unavailable', 'timeout', 'internal']);

export class Publisher {
  readonly #world: World;
  readonly #line: Line;
  readonly #token = tokenOf(service('api'));
  readonly #waiting = new Map<Fact, (answer: Answer | undefined) => void>();
  readonly #socket: Socket;
  readonly #sdk: EventBus;
  #count = 0;
  #open = 0;

  constructor(name: string, world: World, line: Line, chance: Chance) {
    this.#world = world;
    this.#line = line;
    this.#name = name;
    this.#socket = io(line.url, { auth: { token: this.#token }, transports: chance.yes(0.5) ? ['websocket'] : ['polling'], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 250, timeout: 5_000 });
    this.#socket.on('disconnect', () => {
      for (const [fact, done] of [...this.#waiting]) if (this.#waiting.delete(fact)) done(undefined);
    });
    this.#sdk = createEventBus({ url: line.url, token: this.#token, resumeKey: false, socketOptions: { reconnectionDelay: 20, reconnectionDelayMax: 250, timeout: 5_000 } });
    this.#sdk.onError(() => undefined);
    this.#sdk.onGap(() => undefined);
  }

  readonly #name: string;

  /** Whether all that was begun has been answered. */
  get isQuiet(): boolean {
    return this.#open === 0;
  }

  /** A new event, not yet sent. */
  fact(type: string, data: Fact['data']): Fact {
    return this.#world.ledger.begin(`${this.#name}-${++this.#count}`, type, data);
  }

  /** Resolves when all have been answered, or will not be. */
  async publish(facts: readonly Fact[], manner: Manner): Promise<void> {
    this.#open += facts.length;
    const transient = facts.filter(({ type }) => kTypes[type]!.transient === true);
    const durable = facts.filter(({ type }) => kTypes[type]!.transient !== true);
    // A list is all or nothing, so it may not hold both: after a failure one kind is sent again, and the other not.
    const parts = manner === 'list' ? [transient, durable].filter((part) => part.length > 0).map((part) => this.#list(part)) : facts.map((fact) => this.#one(fact, manner));
    await Promise.all(parts);
    this.#open -= facts.length;
    this.#world.happenings.happened();
  }

  close(): void {
    this.#socket.disconnect();
    void this.#sdk.close({ drainMs: 0 });
    this.#line.close();
  }

  get line(): Line {
    return this.#line;
  }

  async #one(fact: Fact, manner: Manner): Promise<void> {
    for (;;) {
      const answer = manner === 'socket' ? await this.#emit(fact) : manner === 'sdk' && !kTypes[fact.type]!.transient ? await this.#byPackage(fact) : (await this.#post(JSON.stringify(wire(fact)), 1))?.[0];
      if (this.#settle(fact, answer)) return;
      await pause(kAgainMs);
    }
  }

  async #list(facts: readonly Fact[]): Promise<void> {
    for (;;) {
      const answers = await this.#post(JSON.stringify(facts.map(wire)), facts.length);
      if (facts.map((fact, at) => this.#settle(fact, answers?.[at])).every(Boolean)) return;
      await pause(kAgainMs);
    }
  }

  // Whether nothing more is to be done for it.
  #settle(fact: Fact, answer: Answer | undefined): boolean {
    const isTransient = kTypes[fact.type]!.transient === true;
    const { server, ledger } = this.#world;
    if (isTransient && (answer?.ok !== true || server.suffered(fact.startedAt, now(), 'kill', 'stop', 'restore'))) {
      fact.isDoubtful = true;
      return true;
    }
    if (answer?.ok === true) {
      ledger.answered(fact, answer.offset!);
      return true;
    }
    if (answer !== undefined && !kPassing.has(answer.error!.code)) {
      this.#world.found.push({ kind: 'publish refused', who: this.#name, id: fact.id, at: now(), text: `${fact.id} (${fact.type}) was refused: ${answer.error!.code}, ${answer.error!.message}` });
      fact.isDoubtful = true;
      return true;
    }
    return false;
  }

  #emit(fact: Fact): Promise<Answer | undefined> {
    if (!this.#socket.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting.set(fact, resolve);
      this.#socket.emit('publish', wire(fact), (answer: Answer) => {
        if (this.#waiting.delete(fact)) resolve(answer);
      });
    });
  }

  async #byPackage(fact: Fact): Promise<Answer | undefined> {
    try {
      const { offset } = await this.#sdk.publish(fact.type, fact.data, { id: fact.id, timeoutMs: kPublishMs });
      return { ok: true, offset };
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return code === 'timeout' || code === 'closed' ? undefined : { ok: false, error: { code, message } };
    }
  }

  async #post(body: string, count: number): Promise<Answer[] | undefined> {
    try {
      const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
      const response = await fetch(`${this.#line.url}/v1/events`, { method: 'POST', headers, body, signal: AbortSignal.timeout(kPublishMs) });
      const answer = (await response.json()) as { offset: string; code: string; detail: string } | { offset: string }[];
      if (Array.isArray(answer)) return answer.map(({ offset }) => ({ ok: true, offset }));
      if (response.ok) return [{ ok: true, offset: answer.offset }];
      return Array.from({ length: count }, () => ({ ok: false, error: { code: answer.code, message: answer.detail } }));
    } catch {
      return undefined; // no answer: it may be stored, or not
    }
  }
}

const wire = ({ id, type, data }: Fact): unknown => ({ id, type, data });
