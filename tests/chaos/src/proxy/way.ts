// One direction of a connection through the proxy.
import type { Socket } from 'node:net';

import type { Chance } from '../chance.ts';
import { now, pause } from '../moments.ts';

type Mood = 'clear' | 'delay' | 'cork' | 'split';

const kMoods: readonly Mood[] = ['clear', 'clear', 'delay', 'cork', 'split'];
const kBacklogMax = 4_000_000; // bytes; then the source is not read
const kPiecesMax = 200; // of one write that is split

interface Chunk {
  readonly bytes: Buffer;
  readonly dueAt: number;
}

/** Passes bytes on in their order: at once, late, many at once, or in pieces, and up to a byte at which it is cut. */
export class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #chance: Chance;
  readonly #isFair: () => boolean;
  readonly #onCut: () => void;
  readonly #queue: Chunk[] = [];
  #queued = 0;
  #isPumping = false;
  #isDone = false;
  #hasEnded = false;
  #mood: Mood = 'clear';
  #moodUntil = 0;
  #heldUntil = 0;
  #leftBytes = Infinity;

  constructor(from: Socket, to: Socket, chance: Chance, isFair: () => boolean, onCut: () => void) {
    this.#from = from;
    this.#to = to;
    this.#chance = chance;
    this.#isFair = isFair;
    this.#onCut = onCut;
  }

  send(bytes: Buffer): void {
    if (this.#isDone) return;
    const last = this.#queue.at(-1)?.dueAt ?? 0;
    this.#queue.push({ bytes, dueAt: Math.max(last, now() + this.#delayMs()) });
    this.#queued += bytes.length;
    if (this.#queued > kBacklogMax) this.#from.pause();
    void this.#pump();
  }

  /** Nothing passes for a while; then it does, late. */
  stall(ms: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, now() + ms);
  }

  /** So many bytes still pass. */
  cutAfter(bytes: number): void {
    this.#leftBytes = bytes;
  }

  /** What waits is sent, then the end. */
  end(): void {
    this.#hasEnded = true;
    void this.#pump();
  }

  /** Nothing passes any more. */
  drop(): void {
    this.#isDone = true;
    this.#queue.length = 0;
  }

  #delayMs(): number {
    if (this.#isFair()) return 0;
    if (now() > this.#moodUntil) {
      this.#mood = this.#chance.pick(kMoods);
      this.#moodUntil = now() + this.#chance.between(50, 1_500);
    }
    switch (this.#mood) {
      case 'delay': return this.#chance.between(0, 120);
      case 'cork': return Math.max(0, Math.min(this.#moodUntil - now(), 300));
      default: return 0;
    }
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.#isDone && this.#queue.length > 0) {
      const waitMs = this.#isFair() ? 0 : Math.max(this.#queue[0]!.dueAt, this.#heldUntil) - now();
      if (waitMs > 0) {
        await pause(Math.min(waitMs, 50)); // fair weather comes at any time
        continue;
      }
      const due = this.#queue.findIndex(({ dueAt }) => dueAt > now() && !this.#isFair());
      const bytes = Buffer.concat(this.#queue.splice(0, due < 0 ? Infinity : due).map((chunk) => chunk.bytes));
      this.#queued -= bytes.length;
      await this.#write(bytes.subarray(0, this.#leftBytes));
      this.#leftBytes -= bytes.length;
      if (this.#leftBytes <= 0 && !this.#isDone) {
        this.drop();
        this.#onCut();
      }
      if (this.#from.isPaused() && this.#queued < kBacklogMax) this.#from.resume();
    }
    this.#isPumping = false;
    if (this.#hasEnded && !this.#isDone) this.#to.end();
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#mood !== 'split' || this.#isFair()) return this.#flush(bytes);
    const size = Math.max(1, Math.ceil(bytes.length / kPiecesMax), this.#chance.between(1, this.#chance.pick([1, 7, 100, 2_000])));
    for (let at = 0; at < bytes.length && !this.#isDone; at += size) {
      await this.#flush(bytes.subarray(at, at + size));
      await (this.#chance.yes(0.1) ? pause(this.#chance.between(0, 5)) : new Promise<void>((resolve) => setImmediate(resolve)));
    }
  }

  async #flush(bytes: Buffer): Promise<void> {
    if (bytes.length === 0 || this.#to.destroyed || this.#to.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#to.once('drain', resolve).once('close', resolve);
    });
  }
}
