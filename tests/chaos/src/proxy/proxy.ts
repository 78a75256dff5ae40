// What lies between one client of the package and the server.
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import net from 'node:net';

import type { Chance } from '../chance.ts';
import { now } from '../moments.ts';
import { Answers } from './answers.ts';
import { FrameReader } from './frames.ts';
import { Way } from './way.ts';

/** Who learns of a cut: both ends, or one, while the other has an open connection on which nothing comes. */
export type CutKind = 'both' | 'client' | 'server';

const kSilentMs = 8_000; // an end that was not told is told then, if it has not found out itself

class Passage {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #up: Way;
  readonly #down: Way;
  readonly #answers: Answers;
  readonly #say: (text: string) => void;
  #upFrames: FrameReader | undefined;
  #downFrames: FrameReader | undefined;
  #head: Buffer | undefined = Buffer.alloc(0); // of the first request, until it is whole
  #isUpgrade = false;
  #isCut = false;
  #cutKind: CutKind = 'both';

  constructor(client: Socket, server: Socket, chance: Chance, isFair: () => boolean, mixes: boolean, say: (text: string) => void, onEnd: () => void) {
    this.#client = client;
    this.#server = server;
    this.#say = say;
    this.#up = new Way(client, server, chance.child('up'), isFair, () => this.cut(this.#cutKind));
    this.#down = new Way(server, client, chance.child('down'), isFair, () => this.cut(this.#cutKind));
    this.#answers = new Answers(chance.child('answers'), mixes, (frame) => this.#down.send(frame.bytes));
    client.on('data', (bytes) => this.#fromClient(bytes));
    server.on('data', (bytes) => this.#fromServer(bytes));
    for (const [one, way] of [[client, this.#up], [server, this.#down]] as const) {
      one.setNoDelay(true);
      one.on('error', () => undefined);
      one.on('end', () => {
        if (one === server) this.#answers.flush();
        way.end();
      });
    }
    // An end that breaks off breaks the other one, unless that is not to know.
    client.on('close', (hadError) => this.#onClose(server, hadError, onEnd));
    server.on('close', (hadError) => this.#onClose(client, hadError, onEnd));
  }

  stall(up: number, down: number): void {
    this.#up.stall(up);
    this.#down.stall(down);
  }

  cutAt(direction: 'up' | 'down', bytes: number, kind: CutKind): void {
    this.#cutKind = kind;
    (direction === 'up' ? this.#up : this.#down).cutAfter(bytes);
  }

  mix(isMixing: boolean): void {
    this.#answers.isMixing = isMixing;
    if (!isMixing) this.#answers.flush();
  }

  cut(kind: CutKind): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#say(`--- cut, told to ${kind}`);
    this.#answers.drop();
    this.#down.drop();
    // What the client sent and what is on its way arrives all the same where only the client has lost the connection.
    if (kind !== 'client') this.#up.drop();
    if (kind !== 'server') this.#client.resetAndDestroy();
    if (kind !== 'client') this.#server.resetAndDestroy();
    if (kind !== 'both') setTimeout(() => this.destroy(), kSilentMs).unref();
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #onClose(other: Socket, hadError: boolean, onEnd: () => void): void {
    if (this.#client.destroyed && this.#server.destroyed) return onEnd();
    if (!this.#isCut && hadError) other.destroy();
  }

  #fromClient(bytes: Buffer): void {
    if (this.#upFrames !== undefined) return this.#framesUp(bytes);
    if (this.#head === undefined) return this.#polled('>', bytes, this.#up);
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#head.toString('latin1', 0, end + 4);
    const rest = this.#head.subarray(end + 4);
    this.#isUpgrade = /^upgrade: *websocket\r$/im.test(head);
    this.#head = undefined;
    // Compressed frames could not be read.
    this.#up.send(Buffer.from(head.replace(/^sec-websocket-extensions:.*\r\n/im, ''), 'latin1'));
    if (this.#isUpgrade) this.#upFrames = new FrameReader();
    if (rest.length > 0) this.#fromClient(rest);
  }

  #polled(direction: '<' | '>', bytes: Buffer, way: Way): void {
    for (const text of bytes.toString().split(/\r\n\r\n|\x1e/)) if (/^4[0-4]/.test(text)) this.#say(`${direction} ${text}`);
    way.send(bytes);
  }

  #framesUp(bytes: Buffer): void {
    for (const frame of this.#upFrames!.push(bytes)) {
      if (frame.text !== undefined) this.#say(`> ${frame.text}`);
      this.#answers.asked(frame);
      this.#up.send(frame.bytes);
    }
  }

  #fromServer(bytes: Buffer): void {
    if (!this.#isUpgrade) return this.#polled('<', bytes, this.#down);
    if (this.#downFrames !== undefined) return this.#framesDown(bytes);
    const end = bytes.indexOf('\r\n\r\n'); // the server writes the head at once
    if (end < 0 || !bytes.toString('latin1', 0, end).startsWith('HTTP/1.1 101')) return this.#down.send(bytes);
    this.#downFrames = new FrameReader();
    this.#down.send(bytes.subarray(0, end + 4));
    if (bytes.length > end + 4) this.#framesDown(bytes.subarray(end + 4));
  }

  #framesDown(bytes: Buffer): void {
    for (const frame of this.#downFrames!.push(bytes)) {
      if (frame.text !== undefined) this.#say(`< ${frame.text}`);
      this.#answers.told(frame);
    }
  }
}

/** A TCP proxy of one client's own. */
export class Proxy {
  readonly #passages = new Set<Passage>();
  readonly #target: () => number;
  readonly #chance: Chance;
  readonly #say: (text: string) => void;
  #server: Server | undefined;
  #refusedUntil = 0;
  #isFair = true;
  #count = 0;

  /** `say` is told the text frames and what is done to them. */
  constructor(target: () => number, chance: Chance, say: (text: string) => void) {
    this.#target = target;
    this.#chance = chance;
    this.#say = say;
  }

  async open(): Promise<this> {
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}`;
  }

  /** In fair weather everything passes as it comes. */
  set isFair(isFair: boolean) {
    this.#isFair = isFair;
    if (isFair) this.#refusedUntil = 0;
    for (const passage of this.#passages) passage.mix(!isFair && this.#chance.yes(0.7));
  }

  cut(kind: CutKind): void {
    for (const passage of this.#passages) passage.cut(kind);
  }

  cutAt(direction: 'up' | 'down', bytes: number, kind: CutKind): void {
    this.#say(`--- will be cut, ${direction}, in ${bytes} bytes`);
    for (const passage of this.#passages) passage.cutAt(direction, bytes, kind);
  }

  stall(upMs: number, downMs: number): void {
    this.#say(`--- nothing up for ${upMs} ms, nothing down for ${downMs} ms`);
    for (const passage of this.#passages) passage.stall(upMs, downMs);
  }

  refuse(ms: number): void {
    this.#refusedUntil = now() + ms;
  }

  close(): void {
    for (const passage of this.#passages) passage.destroy();
    this.#server?.close();
  }

  #accept(client: Socket): void {
    if (now() < this.#refusedUntil) {
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const server = net.connect({ port: this.#target(), host: '127.0.0.1', allowHalfOpen: true });
    const number = ++this.#count;
    this.#say(`--- connection ${number}`);
    const passage: Passage = new Passage(client, server, this.#chance.child(`connection ${number}`), () => this.#isFair, !this.#isFair && this.#chance.yes(0.7), (text) => this.#say(`${number} ${text}`), () => this.#passages.delete(passage));
    this.#passages.add(passage);
  }
}
