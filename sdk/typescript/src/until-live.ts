import { deadlineIn, onceAborted } from './deadline.js';
import type { EventBusError } from './errors.js';
import { clientClosed, late } from './errors.js';
import type { ConnectionState } from './state.js';

interface Stateful {
  onState(handler: (state: ConnectionState) => unknown): () => void;
}

/** Resolves when `bus` is live; rejects when it is closed, with why, or after `timeoutMs`. */
export function untilLive(bus: Stateful, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let last: EventBusError | undefined;
    const settle = (error?: EventBusError) => {
      clearTimeout(deadline);
      offSignal();
      queueMicrotask(() => offState()); // the first state is told before there is one
      if (error === undefined) resolve();
      else reject(error);
    };
    const offSignal = onceAborted(signal, settle);
    const deadline = deadlineIn(timeoutMs, () => settle(late('The event bus was not reached', timeoutMs, last)));
    const offState = bus.onState(({ status, error }) => {
      last = error;
      if (status === 'live') settle();
      else if (status === 'closed') settle(error ?? clientClosed());
    });
  });
}
