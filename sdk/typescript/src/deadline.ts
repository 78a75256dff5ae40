import type { EventBusError } from './errors.js';
import { aborted } from './errors.js';

const kTimerMaxMs = 2 ** 31 - 1; // a longer one fires at once

/** Calls `onLate` once `ms` have passed; never, if that is longer than timers reach (24 days), or `Infinity`. */
export function deadlineIn(ms: number, onLate: () => void): ReturnType<typeof setTimeout> | undefined {
  return ms > kTimerMaxMs ? undefined : setTimeout(onLate, ms);
}

/** Calls `onAbort` once `signal` is aborted, with what to say of it; throws that if it is already. Returns the function that calls it off. */
export function onceAborted(signal: AbortSignal | undefined, onAbort: (error: EventBusError) => void): () => void {
  if (signal?.aborted) throw aborted(signal);
  const tell = () => onAbort(aborted(signal));
  signal?.addEventListener('abort', tell, { once: true });
  return () => signal?.removeEventListener('abort', tell);
}
