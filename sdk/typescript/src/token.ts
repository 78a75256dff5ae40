import { inWords } from './arguments.js';
import { EventBusError, messageOf, sentence, SignedOut } from './errors.js';
import type { TokenContext, TokenFunction, TokenSource } from './options.js';
import { waitNotFor } from './runtime.js';

const kLateMs = 10_000; // as the text says; that a function may take before this is told

/**
 * A token of `source`, none where the cookie signs in, or why there is none: `signed_out`, or `unavailable` for what passes.
 * `onLate` hears that the function takes long; it is waited for all the same.
 */
export async function tokenOf(source: TokenSource | undefined, context: TokenContext, onLate: (error: EventBusError) => void): Promise<string | undefined | EventBusError> {
  if (typeof source !== 'function') return source;
  const timer = setTimeout(() => onLate(new EventBusError('unavailable', `The function \`token\` has given nothing for 10 s.`)), kLateMs);
  waitNotFor(timer); // the client may have been closed meanwhile
  try {
    return await ask(source, context);
  } finally {
    clearTimeout(timer);
  }
}

async function ask(source: TokenFunction, context: TokenContext): Promise<string | EventBusError> {
  try {
    const token: unknown = await source(context);
    if (typeof token === 'string' && token !== '') return token;
    if (token === null) return new EventBusError('signed_out', 'The function `token` gave null: nobody is signed in.');
    return new EventBusError('unavailable', `The function \`token\` gave ${inWords(token)}: give the JWT as a string, or null if nobody is signed in.`);
  } catch (thrown) {
    if (thrown instanceof SignedOut) return new EventBusError('signed_out', thrown.message, { cause: thrown });
    return new EventBusError('unavailable', sentence(`The function \`token\` failed: ${messageOf(thrown)}`), { cause: thrown });
  }
}
