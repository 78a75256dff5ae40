import type { Connection } from './connection.js';
import { deadlineIn, onceAborted } from './deadline.js';
import { EventBusError, late } from './errors.js';
import type { ConnectionState } from './state.js';
import { inTheWay } from './state.js';

/** Resolves when `connection` is live; rejects when it is closed, with why, or after `timeoutMs`. */
export function untilLive(connection: Pick<Connection, 'state' | 'states'>, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: EventBusError) => {
      clearTimeout(deadline);
      offSignal();
      offState();
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = ({ status, error }: ConnectionState) => {
      if (status === 'live') settle();
      else if (status === 'closed') settle(error ?? new EventBusError('closed', 'close() or disconnect() was called first.'));
    };
    const offSignal = onceAborted(signal, settle);
    const deadline = deadlineIn(timeoutMs, () => settle(late('The event bus was not reached', timeoutMs, inTheWay(connection.state))));
    const offState = connection.states.add(look);
    look(connection.state);
  });
}
