import type { Manager, ManagerOptions } from 'socket.io-client';

import type { ConnectionTransport } from './state.js';

// Short for a handshake on a slow network: there polling goes first, and the WebSocket is taken a little later.
const kOpenMs = 2_000;

type Engine = Manager['engine'];
type List = NonNullable<ManagerOptions['transports']>;

// What engine.io-client keeps to itself. A transport of a class of our own could do the same without, but its
// CommonJS form exports none to derive from.
interface EngineInside {
  readonly transports: string[]; // the one that is tried, and those that come after it
  readonly opts: { readonly tryAllTransports?: boolean };
}
interface TransportInside {
  readonly ws?: unknown;
  onError(reason: string): void;
}

/**
 * What a connection goes over: WebSocket first, as it needs no round trips for an upgrade. Where it is refused, polling
 * takes its place for that connection. Where no answer comes, as behind some proxies, polling takes its place after
 * 2 s and goes first from then on, and the WebSocket is tried beside it, at each connection; once one opens, it goes
 * first again.
 *
 * socket.io-client's own `tryAllTransports` goes by errors: it waits for a WebSocket that is held back for its whole
 * `timeout`, at each try, and so it does for one whose constructor throws, as it does not listen yet.
 */
export class Transports {
  /** For socket.io-client, which reads it anew for each connection. */
  readonly list: List;
  readonly #wished: List;
  #reason: string | undefined; // why the last WebSocket did not open

  constructor(wished: List = ['websocket', 'polling']) {
    this.#wished = wished;
    this.list = [...wished] as List;
  }

  /** Follows each connection that `manager` tries to make. */
  follow(manager: Manager): void {
    const open = manager.open.bind(manager);
    let engine: Engine | undefined;
    manager.open = (onDone) => {
      open(onDone);
      if (engine !== manager.engine) this.#watch((engine = manager.engine)); // no event tells of it before it is open
      return manager;
    };
  }

  /** What there is to say of a connection over the transport `name`. */
  describe(name: string): ConnectionTransport {
    const reason = name === 'websocket' ? undefined : this.#reason;
    return { name: name as ConnectionTransport['name'], ...(reason !== undefined && { reason }) };
  }

  #watch(engine: Engine): void {
    engine.on('open', () => this.#opened(engine.transport.name));
    engine.on('upgrade', ({ name }) => this.#opened(name));
    engine.on('upgradeError', ({ message }) => {
      if (engine.readyState === 'open') this.#reason ??= message; // else it is the end of the connection that ends it
    });
    if (engine.transport.name === 'websocket') this.#watchWebSocket(engine);
  }

  #watchWebSocket(engine: Engine): void {
    const { transport } = engine;
    const inside = transport as unknown as TransportInside;
    const { transports, opts } = engine as unknown as EngineInside;
    const giveUp = (reason: string) => {
      inside.onError(reason);
      transport.close();
    };
    const timer = setTimeout(() => {
      if (transports.length < 2 || opts.tryAllTransports !== true) return; // nothing would take its place
      engine.once('open', () => this.#order([...this.#wished].sort((a, b) => Number(isWebSocket(a)) - Number(isWebSocket(b))))); // else it is the network or the server
      giveUp(`It was not open after ${kOpenMs / 1_000} s: does a proxy hold it back?`);
      transports.push(transport.name); // what takes its place may still be upgraded
    }, kOpenMs);
    const end = () => clearTimeout(timer);
    engine.on('open', end);
    engine.on('close', end);
    transport.once('error', (error) => {
      end();
      this.#reason = reasonOf(error);
    });
    if (inside.ws === undefined) giveUp('Its constructor failed: does the Content-Security-Policy of the page leave it out?');
  }

  #opened(name: string): void {
    if (name !== 'websocket') return;
    this.#reason = undefined;
    this.#order(this.#wished);
  }

  #order(wished: readonly List[number][]): void {
    this.list.splice(0, this.list.length, ...(wished as never[]));
  }
}

function isWebSocket(transport: List[number]): boolean {
  return (typeof transport === 'string' ? transport : (transport.prototype as { name: string }).name) === 'websocket';
}

// Node's says why in its event; of a browser's nothing can be had.
function reasonOf(error: Error & { description?: { message?: string } }): string {
  const said = error.description?.message ?? error.message;
  return said === 'websocket error' ? 'It was refused; a browser does not tell why.' : said;
}
