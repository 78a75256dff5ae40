import type { EventBus, Subscription } from '@shared-infra/event-bus';
import { createEventBus } from '@shared-infra/event-bus';

import type { Chance } from '../chance.ts';
import type { Line } from '../line.ts';
import type { Ask } from '../model/trace.ts';
import { now } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import { tokenOf } from '../tokens.ts';
import type { World } from '../world.ts';
import type { Act } from './device.ts';
import { Device } from './device.ts';

interface Event {
  readonly id: string;
  readonly offset: string;
  readonly data: { readonly secret?: unknown };
}

/** Our package, as a page uses it: a handler for what comes by itself, and some for topics. */
export class PackageDevice extends Device {
  readonly kind = 'package';
  readonly #bus: EventBus;
  readonly #watches = new Map<string, Subscription | 'asked'>();
  #isLive = false;
  #isClosing = false;

  constructor(name: string, who: Principal, world: World, line: Line, chance: Chance, transports: string[]) {
    super(name, who, world, line, chance);
    this.#bus = createEventBus({ url: line.url, token: () => tokenOf(who), resumeKey: false, repeatsMax: 100_000, socketOptions: { transports, reconnectionDelay: 20, reconnectionDelayMax: 250, timeout: 5_000 } });
    this.#bus.onError(({ code, message }) => this.note(`onError: ${code}, ${message}`));
    this.#bus.onGap(({ from, to }) => this.push({ kind: 'told', at: now(), name: 'resume.gap', body: { from, to } }));
    this.#bus.onState(({ status }) => {
      const isLive = status === 'live';
      if (isLive && !this.trace.some(({ kind }) => kind === 'connected') && !this.#wasLive) {
        this.#wasLive = true;
        this.push({ kind: 'connected', at: now(), attemptAt: now(), recovered: false, hadSession: false, since: undefined, pid: undefined });
      }
      this.#isLive = isLive;
      this.note(`is ${status}`);
    });
    for (const topic of ['photo.**', 'note.**', 'fence.raised']) this.#bus.on(topic, (event) => this.#heard(event as unknown as Event));
  }

  #wasLive = false;

  get isConnected(): boolean {
    return this.#isLive;
  }

  get isSettled(): boolean {
    return this.#isLive && [...this.#watches.values()].every((watch) => watch !== 'asked');
  }

  protected get acts(): readonly Act[] {
    const { chance, line } = this;
    return [
      ['watch', 12, () => this.#watch()],
      ['unwatch', 4, () => this.#unwatch()],
      ['cut', 6, () => line.cut()],
      ['lose', 2, () => line.loseClient()],
      ['stall', 2, () => line.stall(chance.between(50, 1_500))],
      ['away', 3, () => this.goAway(chance.between(200, 2_500))],
    ];
  }

  settle(): void {
    this.line.heal();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#bus.close({ drainMs: 0 });
    this.line.close();
  }

  #heard(event: Event): void {
    this.push({ kind: 'event', at: now(), id: event.id, offset: event.offset, order: this.world.ledger.orderOf(event.offset), place: undefined, hasSecret: event.data.secret !== undefined });
  }

  async #watch(): Promise<void> {
    const topic = `photo:${this.chance.pick(this.world.photos)}`;
    if (this.#watches.has(topic)) return;
    this.#watches.set(topic, 'asked');
    const ask = this.#asked('subscribe', topic);
    const onEnd = ({ code }: { code: string }): void => {
      this.#watches.delete(topic);
      this.push({ kind: 'told', at: now(), name: 'watch.ended', body: { topic, code } });
    };
    try {
      const watch = await this.#bus.subscribe(topic, () => undefined, { onEnd, timeoutMs: 60_000 });
      this.#watches.set(topic, watch);
      this.#answered(ask, true, watch.offset, undefined);
    } catch (error) {
      this.#watches.delete(topic);
      if (!this.#isClosing) this.#answered(ask, false, undefined, (error as { code: string }).code);
    }
  }

  async #unwatch(): Promise<void> {
    const [topic, watch] = this.chance.pick([...this.#watches, ['', 'asked'] as const]);
    if (watch === 'asked') return;
    this.#watches.set(topic, 'asked');
    const ask = this.#asked('unsubscribe', topic);
    await watch.unsubscribe();
    this.#watches.delete(topic);
    this.#answered(ask, true, undefined, undefined);
  }

  #asked(command: Ask['command'], topic: string): Ask {
    const ask: Ask = { command, topic, since: undefined, sentAt: now(), answeredAt: Infinity, ok: undefined, order: undefined, code: undefined };
    this.push({ kind: 'asked', at: now(), ask });
    return ask;
  }

  #answered(ask: Ask, ok: boolean, offset: string | undefined, code: string | undefined): void {
    ask.answeredAt = now();
    ask.ok = ok;
    ask.code = code;
    if (offset !== undefined) ask.order = this.world.ledger.orderOf(offset);
    this.push({ kind: 'answered', at: now(), ask });
  }
}
