import { EventBusError, messageOf, SignedOut } from './errors.js';
import type { TokenContext, TokenFunction } from './options.js';

const kLateMs = 10_000; // that a function may take before it is said

/** A token; or why there is none: `signed_out`, or `unavailable` for now. `onLate`: it has not given any for 10 s, and may yet. */
export async function askForToken(source: TokenFunction, context: TokenContext, onLate: (error: EventBusError) => void): Promise<string | EventBusError> {
  const late = setTimeout(() => onLate(new EventBusError('unavailable', `The function \`token\` has given nothing for ${kLateMs / 1_000} s.`)), kLateMs);
  try {
    const token = await source(context);
    return token ?? new EventBusError('signed_out', 'The function `token` gave null: nobody is signed in.');
  } catch (thrown) {
    if (thrown instanceof SignedOut) return new EventBusError('signed_out', thrown.message, { cause: thrown });
    return new EventBusError('unavailable', `The function \`token\` failed: ${messageOf(thrown)}`, { cause: thrown });
  } finally {
    clearTimeout(late);
  }
}
