/** Whether the same request can succeed later, and who has to act first. */
export type Retry = 'never' | 'later' | 'new-token' | 'reconnect';

// The server's closed list (src/base/error.h; a test compares the two), then what only a client can
// meet.
const kRetryOfCode = {
  bad_request: 'never',
  bad_event: 'never',
  bad_subject: 'never',
  bad_topic: 'never',
  bad_offset: 'never',
  unknown_type: 'never',
  invalid_data: 'never',
  unauthorized: 'new-token',
  token_expired: 'new-token',
  forbidden: 'never',
  not_found: 'never',
  method_not_allowed: 'never',
  id_reused: 'never',
  principal_changed: 'never',
  too_large: 'never',
  unsupported_media_type: 'never',
  too_many: 'later',
  too_many_rooms: 'never',
  slow_client: 'reconnect',
  internal: 'later',
  read_only: 'later',
  unavailable: 'later',
  timeout: 'later',

  aborted: 'never',
  closed: 'never',
  not_configured: 'never',
  signed_out: 'never',
} as const satisfies Record<string, Retry>;

/** The codes this version knows. A newer server may send others: treat those as final. */
export type EventBusErrorCode = keyof typeof kRetryOfCode;

/** Every known code with its advice. */
export const errorCodes: Readonly<Record<EventBusErrorCode, Retry>> = kRetryOfCode;

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

  constructor(code: EventBusErrorCode | (string & {}), message: string, options: EventBusErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.ids = options.ids;
    this.topic = options.topic;
  }

  /** The same, with what it is about: one failure may be that of several publishes and subscriptions. */
  about(what: Pick<EventBusErrorOptions, 'ids' | 'topic'>): EventBusError {
    const { code, message, retryAfterMs, ids, topic, cause } = this;
    return new EventBusError(code, message, { retryAfterMs, ids, topic, cause, ...what });
  }

  /** What has to happen before the same request can succeed. */
  get retry(): Retry {
    return Object.hasOwn(kRetryOfCode, this.code) ? kRetryOfCode[this.code as EventBusErrorCode] : 'never';
  }
}

/** `thrown` as it is if it is one of ours, else wrapped with `code`. */
export function asEventBusError(thrown: unknown, code: EventBusErrorCode): EventBusError {
  if (thrown instanceof EventBusError) return thrown;
  return new EventBusError(code, messageOf(thrown), { cause: thrown });
}

/** What to say of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Thrown by a `token` function (or `null` returned): nobody is signed in, so the client closes and does not ask again. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';

  constructor(message = 'Nobody is signed in.') {
    super(message);
  }
}
