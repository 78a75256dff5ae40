// What bundlers take for pages in place of engine-transports.ts.
import type { TransportCtor, TransportName } from 'engine.io-client';
import { transports } from 'engine.io-client';

import { afterGoodbye } from './after-goodbye.js';

// The original never aborts a request.
class PollingThatEnds extends transports.polling {
  override doClose(): void {
    if (this.readyState !== 'open') return this.#end();
    super.doClose();
    afterGoodbye(() => this.#end());
  }

  #end(): void {
    (this as unknown as { pollXhr?: { _xhr?: XMLHttpRequest } }).pollXhr?._xhr?.abort();
  }
}

/** As in Node. Browsers' WebSockets end by themselves. */
export const kTransports: Record<TransportName, TransportCtor> = { ...transports, polling: PollingThatEnds } as never;
