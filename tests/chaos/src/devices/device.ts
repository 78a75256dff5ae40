import type { Chance } from '../chance.ts';
import type { Line } from '../line.ts';
import type { Step, Violation } from '../model/trace.ts';
import { now, pause } from '../moments.ts';
import type { Principal } from '../tokens.ts';
import type { World } from '../world.ts';

/** How long after something was done to a line, or to the server, its client may still lose a connection for it. */
const kAftermathMs = 15_000;

/** Something that somebody may do next, `[name, weight, how]`. */
export type Act = readonly [name: string, weight: number, act: () => unknown];

/** Does one of them, or nothing: by weight out of 100, and only what the run lets happen. */
export async function actOf(acts: readonly Act[], chance: Chance, isAllowed: (name: string) => boolean): Promise<void> {
  let dice = chance.next() * 100;
  for (const [name, weight, act] of acts) {
    dice -= weight;
    if (dice >= 0) continue;
    if (isAllowed(name)) await act();
    return;
  }
}

/** A client of the server, with a line of its own. */
export abstract class Device {
  /** How the model looks at it. */
  abstract readonly kind: 'socket' | 'stream' | 'package' | 'member';
  readonly name: string;
  readonly who: Principal;
  readonly world: World;
  readonly line: Line;
  readonly chance: Chance;
  /** Since the last check that ended well. */
  trace: Step[] = [];

  constructor(name: string, who: Principal, world: World, line: Line, chance: Chance) {
    this.name = name;
    this.who = who;
    this.world = world;
    this.line = line;
    this.chance = chance;
  }

  /** What its user does. */
  protected abstract get acts(): readonly Act[];
  /** Comes back if it is away, and finishes what it has begun; called when nothing disturbs it any more. */
  abstract settle(): void;
  /** Whether it has a connection, as far as it knows. */
  abstract get isConnected(): boolean;
  /** Whether it is there, and every question has its answer. */
  abstract get isSettled(): boolean;
  abstract close(): void | Promise<void>;

  act(): Promise<void> {
    return actOf(this.acts, this.chance, this.world.isAllowed);
  }

  /** Away for a while, without a word. */
  protected async goAway(ms: number): Promise<void> {
    this.line.refuse();
    this.line.cut();
    await pause(ms);
    this.line.heal();
  }

  protected push(step: Step): void {
    this.trace.push(step);
    this.world.happenings.happened();
  }

  protected note(text: string): void {
    this.push({ kind: 'note', at: now(), text });
  }

  protected report(kind: string, text: string, about: Partial<Violation> = {}): void {
    this.world.found.push({ kind, who: this.name, text, at: now(), ...about });
    this.world.happenings.happened();
  }

  /** Reports the end of a connection unless somebody has done something that explains it. */
  protected judgeDisconnect(reason: string): void {
    const at = now();
    const { server, stalls } = this.world;
    if (this.line.faultAt > at - kAftermathMs || server.suffered(at - kAftermathMs, at) || !server.isUp) return;
    const own = stalls.worstSince(at - kAftermathMs);
    if (own > 1_000) return;
    this.report('disconnected', `lost its connection (${reason}), and nothing had been done to it, to its line or to the server for ${kAftermathMs / 1_000} s`);
  }
}
