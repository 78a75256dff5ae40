import { EventBusError } from '../errors.js';
import type { Json } from '../guards.js';
import type { ConnectionTransport, Gap } from '../state.js';

// What tabs say to each other. They are cloned as they are; tabs with another version of the package may listen, so a
// change of these has to change `kVersion` of group.ts.

/** An error on its way to another tab: a clone would lose its class. */
export interface CarriedError {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export function carry({ code, message, retryAfterMs }: EventBusError): CarriedError {
  return { code, message, retryAfterMs };
}

export function unpack({ code, message, retryAfterMs }: CarriedError): EventBusError {
  return new EventBusError(code, message, { retryAfterMs });
}

/** What a leader tells all of its tabs, or those of `to`. */
export type News = { readonly to?: readonly string[] } & (
  | { readonly kind: 'leads' } // whoever hears it for the first time attaches
  | { readonly kind: 'down'; readonly error: CarriedError | undefined } // its connection is on the way, or the leader leaves
  // Then what it missed, and `caughtUp`. `since`: it goes on from there; undefined: from now, which is `place`.
  | { readonly kind: 'connected'; readonly isRecovered: boolean; readonly since: string | undefined; readonly place: string | undefined; readonly maxPayload: number | undefined }
  | { readonly kind: 'caughtUp'; readonly place: string | undefined; readonly principal: string | undefined; readonly dedupeWindowMs: number | undefined }
  | { readonly kind: 'transport'; readonly transport: ConnectionTransport | undefined } // over which it goes from here on
  | { readonly kind: 'changedHands' }
  | { readonly kind: 'emitted'; readonly name: string; readonly args: readonly unknown[] }
  | { readonly kind: 'lost'; readonly gap: Gap }
  | { readonly kind: 'refused'; readonly error: CarriedError }
  | { readonly kind: 'answer'; readonly call: number; readonly answer?: Json; readonly error?: CarriedError }
);

/** What a tab asks of its leader. */
export type Request =
  // `since`: where it goes on; undefined: it has no place yet, and begins now. `principal`: whose place that is.
  | { readonly kind: 'attach'; readonly since: string | undefined; readonly principal: string | undefined }
  | { readonly kind: 'send'; readonly call: number; readonly command: string; readonly args: readonly unknown[]; readonly timeoutMs: number }
  | { readonly kind: 'stir' }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'leave' };
