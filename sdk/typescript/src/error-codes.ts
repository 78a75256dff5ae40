import type { Retry } from './errors.js';
import { kRetryOfCode } from './errors.js';

// The server's closed list (src/base/error.h; a test compares the two), then what only a client can meet. A file of its own:
// the package itself needs only what is not final, and a page need not load the rest.
const kCodes = {
  bad_request: 'never',
  bad_event: 'never',
  bad_subject: 'never',
  bad_topic: 'never',
  bad_offset: 'never',
  unknown_type: 'never',
  invalid_data: 'never',
  forbidden: 'never',
  not_found: 'never',
  method_not_allowed: 'never',
  id_reused: 'never',
  principal_changed: 'never',
  too_large: 'never',
  unsupported_media_type: 'never',
  too_many_rooms: 'never',
  ...kRetryOfCode,

  aborted: 'never',
  closed: 'never',
  not_configured: 'never',
  signed_out: 'never',
} as const satisfies Record<string, Retry>;

/** The codes this version knows. A newer server may send others: treat those as final. */
export type EventBusErrorCode = keyof typeof kCodes;

/** Every known code with its advice. */
export const errorCodes: Readonly<Record<EventBusErrorCode, Retry>> = kCodes;
