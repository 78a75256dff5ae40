// What one client saw and did, in its order. A device writes it, the judge reads it, a story prints it.
import type { Order } from './ledger.ts';

export interface Ask {
  readonly command: 'subscribe' | 'unsubscribe';
  readonly topic: string;
  /** A place of the log from which on the past was asked for, too. */
  readonly since: Order | undefined;
  readonly sentAt: number;
  answeredAt: number;
  ok: boolean | undefined;
  order: Order | undefined;
  code: string | undefined;
}

export type Step =
  | { readonly kind: 'connected'; readonly at: number; readonly attemptAt: number; readonly recovered: boolean; readonly hadSession: boolean; readonly since: Order | undefined; readonly pid: string | undefined; /** The place that CONNECT carried. */ readonly seen?: Order | undefined; readonly topics?: readonly string[] }
  | { readonly kind: 'disconnected'; readonly at: number; readonly reason: string }
  | { readonly kind: 'left'; readonly at: number }
  | { readonly kind: 'asked'; readonly at: number; readonly ask: Ask }
  | { readonly kind: 'answered'; readonly at: number; readonly ask: Ask }
  | { readonly kind: 'event'; readonly at: number; readonly id: string; readonly offset: string; readonly order: Order; readonly place: Order | undefined; readonly hasSecret: boolean }
  | { readonly kind: 'told'; readonly at: number; readonly name: string; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'note'; readonly at: number; readonly text: string };

/** Something that must not be. */
export interface Violation {
  /** What kind of fault it is: `lost`, `repeated`, … Counted by it. */
  readonly kind: string;
  readonly who: string;
  readonly text: string;
  /** The event concerned, and the topic. */
  readonly id?: string | undefined;
  readonly topic?: string | undefined;
  readonly at: number;
  /** It is owed, and nothing says yet that it will not come. */
  readonly mayStillCome?: true;
}
