import type { Logger } from './logger.js';
import type { ConnectionState } from './state.js';

const kSilentMs = 3_000; // a restart of the server is shorter

/** Says in the log, once each time, that the connection does not come, unless somebody hears of its state. */
export class Outage {
  readonly #where: string;
  readonly #isHeard: () => boolean;
  readonly #logger: Logger;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: ConnectionState = { status: 'idle' };

  constructor(where: string, isHeard: () => boolean, logger: Logger) {
    this.#where = where;
    this.#isHeard = isHeard;
    this.#logger = logger;
  }

  /** What the connection does from now on. */
  follow(state: ConnectionState): void {
    const wasOut = isOut(this.#state);
    this.#state = state;
    if (isOut(state) === wasOut) return;
    clearTimeout(this.#timer);
    if (!wasOut) this.#timer = setTimeout(() => this.#say(), kSilentMs);
  }

  #say(): void {
    if (this.#isHeard()) return;
    const why = this.#state.error?.message ?? 'It does not answer, or the function `token` does not.';
    this.#logger.warn(`eventbus: ${this.#where} has not been reached for ${kSilentMs / 1_000} s: ${why} It is tried again and again; onState() hears of it.`);
  }
}

function isOut({ status }: ConnectionState): boolean {
  return status === 'connecting' || status === 'reconnecting';
}
