// Answers overtake each other, as docs/wire.md permits: "they come as they are ready, each once".
import type { Chance } from '../chance.ts';
import type { Frame } from './frames.ts';
import { kClose } from './frames.ts';

const kHeldMax = 24;
const kHeldMs = 150;

interface Held {
  readonly frame: Frame;
  /** What its place among the answers depends on: those to changes of one topic stay in their order. */
  readonly topic: string | undefined;
}

/**
 * Holds answers back and lets them go in another order.
 *
 * (1) Nothing is let go earlier than it came: an answer may be late, an event may not.
 * (2) Events do not overtake the answer to a `subscribe` or `unsubscribe` that came before them, and answers to changes
 *     of one topic do not overtake each other. The answers to `publish`, `ack` and `nack` depend on nothing.
 */
export class Answers {
  readonly #chance: Chance;
  readonly #pass: (frame: Frame) => void;
  readonly #calls = new Map<string, { readonly topic: string | undefined }>(); // that are not answered, by their ids
  readonly #held: Held[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it is at work; without it everything passes. */
  isMixing: boolean;

  constructor(chance: Chance, isMixing: boolean, pass: (frame: Frame) => void) {
    this.#chance = chance;
    this.isMixing = isMixing;
    this.#pass = pass;
  }

  /** A frame that the client sends. */
  asked({ text }: Frame): void {
    const call = /^42(\d+)\["(?:(?:un)?subscribe",("(?:[^"\\]|\\.)*")|)/.exec(text ?? '');
    if (call !== null) this.#calls.set(call[1]!, { topic: call[2] });
  }

  /** A frame that the server sends. */
  told(frame: Frame): void {
    const answer = /^43(\d+)\[/.exec(frame.text ?? '');
    if (answer !== null) return this.#answered(frame, answer[1]!);
    if (frame.opcode === kClose) this.#letGo(() => true);
    else if (frame.text?.startsWith('4') === true) this.#letGo(({ topic }) => topic !== undefined || this.#chance.yes(0.3));
    this.#pass(frame);
  }

  /** Lets go what is held. */
  flush(): void {
    this.#letGo(() => true);
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#held.length = 0;
  }

  #answered(frame: Frame, id: string): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (call === undefined) {
      this.flush(); // it was asked by polling, before the upgrade: nothing is known of it
      return this.#pass(frame);
    }
    const { topic } = call;
    const hasToWait = topic !== undefined && this.#held.some((held) => held.topic === topic);
    if (!hasToWait && !(this.isMixing && this.#chance.yes(0.5))) return this.#pass(frame);
    this.#held.push({ frame, topic });
    if (this.#held.length > kHeldMax) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), this.#chance.between(1, kHeldMs));
  }

  // In any order that (2) leaves.
  #letGo(which: (held: Held) => boolean): void {
    let going = this.#held.filter(which);
    const staying = this.#held.filter((held) => !going.includes(held));
    this.#held.splice(0, Infinity, ...staying);
    if (staying.length === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    while (going.length > 0) {
      const drawn = this.#chance.pick(going);
      const first = going.find(({ topic }) => topic === drawn.topic && topic !== undefined) ?? drawn;
      going = going.filter((held) => held !== first);
      this.#pass(first.frame);
    }
  }
}
