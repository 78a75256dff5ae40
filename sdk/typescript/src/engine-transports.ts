import type { TransportCtor, TransportName } from 'engine.io-client';
import { transports } from 'engine.io-client';

import { afterGoodbye } from './after-goodbye.js';

// npm's `ws` waits for the other side's close frame for 30 s.
class WebSocketThatEnds extends transports.websocket {
  override doClose(): void {
    const { ws } = this as unknown as { ws?: { terminate?: () => void } };
    super.doClose();
    afterGoodbye(() => ws?.terminate?.());
  }
}

interface Agent {
  destroy(): void;
}

// The original never aborts a request.
class PollingThatEnds extends transports.polling {
  readonly #agent: Agent | undefined; // undefined: the app's is its own

  constructor(options: { agent?: unknown; secure?: boolean }) {
    const agent = options.agent ? undefined : agentFor(options.secure);
    super(agent === undefined ? options : { ...options, agent });
    this.#agent = agent;
  }

  override doClose(): void {
    if (this.readyState !== 'open') return this.#end();
    super.doClose();
    afterGoodbye(() => this.#end());
  }

  // By its agent: `abort` of xmlhttprequest-ssl throws where nobody can catch it.
  #end(): void {
    this.#agent?.destroy();
  }
}

// Of this transport alone, as it ends all requests. Before Node 20.16 it cannot be had by everybody who bundles this.
function agentFor(isSecure = false): Agent | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => { Agent?: new () => Agent } | undefined } };
  const { Agent } = process?.getBuiltinModule?.(isSecure ? 'node:https' : 'node:http') ?? {};
  return Agent && new Agent();
}

/** Those of engine.io-client, but nothing of them is left a second after they are closed, also if nobody answers. */
export const kTransports: Record<TransportName, TransportCtor> = { ...transports, websocket: WebSocketThatEnds, polling: PollingThatEnds } as never;
