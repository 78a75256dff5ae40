import type { ClientRequest, IncomingMessage } from 'node:http';
import http from 'node:http';

import type { Chance } from '../chance.ts';
import type { Line } from '../line.ts';
import type { Order } from '../model/ledger.ts';
import { now, pause } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import { tokenOf } from '../tokens.ts';
import type { World } from '../world.ts';
import type { Act } from './device.ts';
import { Device } from './device.ts';

/** Server-sent events, read as an EventSource reads them: it comes back by itself, with the last id that it saw. */
export class SseDevice extends Device {
  readonly kind = 'stream';
  /** The topics of its stream; none: what is for the user. */
  topics: readonly string[];
  #request: ClientRequest | undefined;
  #lastId: string | undefined;
  #lastOrder: Order | undefined;
  #attemptAt = 0;
  #isConnected = false;
  #isClosing = false;
  #hasAnswer = false;

  constructor(name: string, who: Principal, world: World, line: Line, chance: Chance, topics: readonly string[] = []) {
    super(name, who, world, line, chance);
    this.topics = topics;
    this.#connect();
  }

  get isConnected(): boolean {
    return this.#request !== undefined && this.#hasAnswer;
  }

  get isSettled(): boolean {
    return this.#isConnected && this.#hasAnswer;
  }

  protected get acts(): readonly Act[] {
    const { chance, line } = this;
    return [['cut', 6, () => line.cut()], ['lose', 2, () => line.loseClient()], ['stall', 2, () => line.stall(chance.between(50, 1_500))], ['away', 3, () => this.goAway(chance.between(200, 2_500))]];
  }

  settle(): void {
    this.line.heal();
  }

  close(): void {
    this.#isClosing = true;
    this.#request?.destroy();
    this.line.close();
  }

  #connect(): void {
    if (this.#isClosing) return;
    this.#attemptAt = now();
    this.#hasAnswer = false;
    const query = this.topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&');
    const headers = { authorization: `Bearer ${tokenOf(this.who)}`, ...(this.#lastId !== undefined && { 'last-event-id': this.#lastId }) };
    const since = this.#lastOrder;
    const request = http.get(`${this.line.url}/v1/stream?${query}`, { headers, agent: false }, (response) => this.#answered(request, response, since));
    this.#request = request;
    request.on('error', () => this.#ended(request, 'error'));
    request.on('close', () => this.#ended(request, 'closed'));
  }

  #answered(request: ClientRequest, response: IncomingMessage, since: Order | undefined): void {
    if (response.statusCode !== 200) {
      let body = '';
      response.on('data', (text: Buffer) => (body += text.toString()));
      response.on('end', () => this.#refused(request, response.statusCode!, body));
      return;
    }
    this.#isConnected = true;
    this.push({ kind: 'connected', at: now(), attemptAt: this.#attemptAt, recovered: false, hadSession: false, since, pid: undefined, topics: this.topics });
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      this.#hasAnswer = true;
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) this.#block(block);
      this.world.happenings.happened();
    });
  }

  // A refusal of a topic is for the topics as they are asked for together: it goes on with none of them.
  #refused(request: ClientRequest, status: number, body: string): void {
    this.note(`was answered ${status} ${body.slice(0, 200)}`);
    if (status === 403 && this.topics.length > 0) this.topics = [];
    if (status === 400 && /bad_offset/.test(body)) {
      this.push({ kind: 'told', at: now(), name: 'resume.unknown', body: {} });
      this.#lastId = undefined;
      this.#lastOrder = undefined;
    }
    this.#ended(request, `status ${status}`);
  }

  #ended(request: ClientRequest, reason: string): void {
    if (this.#request !== request) return;
    this.#request = undefined;
    if (this.#isConnected) this.push({ kind: 'disconnected', at: now(), reason });
    if (this.#isConnected && !this.#isClosing && this.trace.at(-2)?.kind !== 'told') this.judgeDisconnect(reason);
    this.#isConnected = false;
    if (!this.#isClosing) void pause(this.chance.between(20, 250)).then(() => this.#connect());
  }

  #block(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''));
    }
    const id = fields.get('id');
    const name = fields.get('event');
    if (id !== undefined) {
      this.#lastId = id;
      this.#lastOrder = this.world.ledger.orderOf(id);
    }
    const text = fields.get('data');
    if (text === undefined) return;
    const body = JSON.parse(text) as { data: { secret?: unknown }; meta?: { id: string; offset: string } } & Record<string, unknown>;
    if (body.meta === undefined) {
      this.push({ kind: 'told', at: now(), name: name ?? '', body });
      return;
    }
    const { ledger } = this.world;
    this.push({ kind: 'event', at: now(), id: body.meta.id, offset: body.meta.offset, order: ledger.orderOf(body.meta.offset), place: id === undefined ? undefined : ledger.orderOf(id), hasSecret: body.data.secret !== undefined });
  }
}
