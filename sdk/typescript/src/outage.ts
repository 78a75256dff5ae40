import type { Logger } from './logger.js';
import type { ConnectionState } from './state.js';
import { inTheWay, isOnTheWay } from './state.js';

const kSilentMs = 3_000; // as the text says; a restart of the server is shorter

/**
 * Says in the log, once each time, that the connection to `where` does not come, unless somebody hears of its state. Call it
 * with each state.
 */
export function outageOf(where: string, isHeard: () => boolean, logger: Logger): (state: ConnectionState) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let now: ConnectionState = { status: 'idle' };
  const say = () => {
    if (isHeard()) return;
    logger.warn(`eventbus: ${where} has not been reached for 3 s: ${inTheWay(now)!.message} onState() hears of it.`);
  };
  return (state) => {
    const wasOut = isOnTheWay(now);
    now = state;
    if (isOnTheWay(state) === wasOut) return;
    clearTimeout(timer);
    if (!wasOut) timer = setTimeout(say, kSilentMs);
  };
}
