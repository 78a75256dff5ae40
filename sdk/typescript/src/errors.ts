import type { EventBusErrorCode } from './error-codes.js';

/** Whether the same request can succeed later, and who has to act first. */
export type Retry = 'never' | 'later' | 'new-token' | 'reconnect';

/** The codes after which the same request can succeed. What is not listed is final: so a code of a newer server. */
export const kRetryOfCode = {
  unauthorized: 'new-token',
  token_expired: 'new-token',
  too_many: 'later',
  slow_client: 'reconnect',
  internal: 'later',
  read_only: 'later',
  unavailable: 'later',
  timeout: 'later',
} as const satisfies Record<string, Retry>;

export interface EventBusErrorOptions {
  /** How long to wait before trying again, when the server said so. */
  readonly retryAfterMs?: number | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly topic?: string | undefined;
  readonly cause?: unknown;
}

/**
 * What every promise of this package rejects with.
 *
 * @example
 * ```ts
 * try {
 *   await bus.subscribe('photo:123', show);
 * } catch (error) {
 *   if (error instanceof EventBusError && error.code === 'forbidden') showNotYours();
 *   else throw error;
 * }
 * ```
 */
export class EventBusError extends Error {
  override readonly name = 'EventBusError';
  readonly code: EventBusErrorCode | (string & {});
  readonly retryAfterMs: number | undefined;
  /** Of a publish: the ids of its events. To publish again with them stores nothing twice. */
  readonly ids: readonly string[] | undefined;
  /** Of a subscription: its topic. */
  readonly topic: string | undefined;

  constructor(code: EventBusErrorCode | (string & {}), message: string, { cause, retryAfterMs, ids, topic }: EventBusErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.ids = ids;
    this.topic = topic;
  }

  /** The same, with what it is about: one failure may be that of several publishes and subscriptions. */
  about(what: Pick<EventBusErrorOptions, 'ids' | 'topic'>): EventBusError {
    return new EventBusError(this.code, this.message, { ...this, cause: this.cause, ...what });
  }

  /** What has to happen before the same request can succeed. */
  get retry(): Retry {
    return Object.hasOwn(kRetryOfCode, this.code) ? kRetryOfCode[this.code as keyof typeof kRetryOfCode] : 'never';
  }
}

/** `thrown` as it is if it is one of ours, else wrapped as `internal`. */
export function asEventBusError(thrown: unknown): EventBusError {
  return thrown instanceof EventBusError ? thrown : new EventBusError('internal', messageOf(thrown), { cause: thrown });
}

/** `text` with its full stop. */
export function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

/** Why a call that waited ends with its signal. */
export function aborted(signal: AbortSignal | undefined): EventBusError {
  return new EventBusError('aborted', 'The signal was aborted.', { cause: signal?.reason });
}

/** `what` did not happen in time; `cause`: what was in the way, if that is known. */
export function late(what: string, timeoutMs: number, cause: EventBusError | undefined): EventBusError {
  return new EventBusError('timeout', sentence(`${what} within ${timeoutMs} ms${cause ? `: ${cause.message}` : ''}`), { cause });
}

export function clientClosed(): EventBusError {
  return new EventBusError('closed', 'This event bus client has been closed.');
}

export function somebodyElse(): EventBusError {
  return new EventBusError('principal_changed', 'Somebody else is signed in than before.');
}

/** What to say of anything that was thrown, such as an Error into which an API's answer was merged. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return 'It cannot be said in words.'; // as Object.create(null)
  }
}

/** Thrown by a `token` function (or `null` returned): nobody is signed in, so the client closes and does not ask again. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';

  constructor(message = 'Nobody is signed in.') {
    super(message);
  }
}
