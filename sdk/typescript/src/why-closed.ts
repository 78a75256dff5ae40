import { fieldsOf, optionalString } from './guards.js';
import { plainly } from './runtime.js';

/** That the other side, or a proxy, did not take something; or that a proxy did not take what came down. */
export const kTooLarge = 'a message is larger than the server or a proxy takes';
const kHints: Record<number, string> = { 413: kTooLarge, 1009: kTooLarge }; // of HTTP, and of WebSockets
export const kNoBus = 'what answers there is not an event bus: is the address right?';
const kUntold = 'is the server up, and this page in its allowed_origins?';

/**
 * Why a connection ended, or did not begin: what engine.io-client says ("xhr poll error", "transport close"), and what it
 * knows in addition: an HTTP status, the code and reason of a WebSocket's close, or what the system said.
 */
export function whyClosed(reason: string, details: unknown): string {
  const { message, description, context } = fieldsOf(details);
  const { statusText, code, reason: said } = fieldsOf(context);
  let inner = plainly(messageIn(statusText) ?? messageIn(description));
  if (typeof description === 'number' && description > 0) inner = `it answers HTTP ${description}: ${kHints[description] ?? 'is the address right?'}`;
  else if (description === 0 && inner === undefined) inner = kUntold;
  else if (message === 'server error') return kNoBus;
  if (typeof code === 'number') inner = [code, said, kHints[code]].filter(Boolean).join(': ');
  return [optionalString(message) ?? reason, inner].filter(Boolean).join(', ');
}

/** The message of an Error, or of an event that tells of one. */
export function messageIn(value: unknown): string | undefined {
  return optionalString(fieldsOf(value).message);
}
