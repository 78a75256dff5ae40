import { deadlineIn } from './deadline.js';
import { EventBusError } from './errors.js';
import type { ConnectionState } from './state.js';

interface Stateful {
  onState(handler: (state: ConnectionState) => unknown): () => void;
}

/** Resolves when `bus` is live; rejects when it is closed, with why, or after `timeoutMs`. */
export function untilLive(bus: Stateful, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    let last: EventBusError | undefined;
    const settle = (error?: EventBusError) => {
      clearTimeout(deadline);
      signal?.removeEventListener('abort', onAbort);
      queueMicrotask(() => off()); // the first state is told before there is an `off`
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => settle(aborted(signal));
    const deadline = deadlineIn(timeoutMs, () => settle(new EventBusError('timeout', `The event bus was not reached within ${timeoutMs} ms${last ? `: ${last.message}` : '.'}`, { cause: last })));
    signal?.addEventListener('abort', onAbort, { once: true });
    const off = bus.onState(({ status, error }) => {
      last = error;
      if (status === 'live') settle();
      else if (status === 'closed') settle(error ?? new EventBusError('closed', 'This event bus client has been closed.'));
    });
  });
}

function aborted(signal: AbortSignal | undefined): EventBusError {
  return new EventBusError('aborted', 'The signal was aborted.', { cause: signal?.reason });
}
