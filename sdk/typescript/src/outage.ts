import { sentence } from './errors.js';
import type { Logger } from './logger.js';
import type { ConnectionState } from './state.js';
import { isOnTheWay } from './state.js';

const kSilentMs = 3_000; // a restart of the server is shorter

/**
 * Says in the log, once each time, that the connection to `where` does not come, unless somebody hears of its state. Call it
 * with each state.
 */
export function outageOf(where: string, isHeard: () => boolean, logger: Logger): (state: ConnectionState) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let now: ConnectionState = { status: 'idle' };
  const say = () => {
    if (isHeard()) return;
    const why = now.error?.message ?? 'It does not answer, or the function `token` does not.';
    logger.warn(`eventbus: ${where} has not been reached for ${kSilentMs / 1_000} s: ${sentence(why)} onState() hears of it.`);
  };
  return (state) => {
    const wasOut = isOnTheWay(now);
    now = state;
    if (isOnTheWay(state) === wasOut) return;
    clearTimeout(timer);
    if (!wasOut) timer = setTimeout(say, kSilentMs);
  };
}
