import type { TransportCtor, TransportName } from 'engine.io-client';
import { Socket as Engine } from 'engine.io-client';

import { kTransports } from './engine-transports.js';
import { fieldsOf, optionalNumber } from './guards.js';
import type { Settings } from './options.js';
import type { ConnectionTransport } from './state.js';
import { messageIn, whyClosed } from './why-closed.js';

// Short for a handshake on a slow network: there polling goes first, and the WebSocket is taken a little later.
const kOpenMs = 2_000;
const kLate = 'It was not open after 2 s: does a proxy hold it back?';

type Kind = TransportName | TransportCtor;

/** Whom a try tells its end: one of these, once, and never before the call that begins it has returned. */
export interface Caller {
  /** `maxPayload`: what the server takes as one message, in bytes. */
  opened(engine: Engine, maxPayload: number | undefined): void;
  failed(why: string, cause?: unknown): void;
}

/**
 * What a connection goes over: WebSocket first, as it needs no round trips for an upgrade. Where it is refused, polling
 * takes its place for that connection. Where no answer comes, as behind some proxies, polling takes its place after
 * 2 s and goes first from then on, and the WebSocket is tried beside it, at each connection; once one opens, it goes
 * first again.
 *
 * What takes a WebSocket's place is an engine of its own: engine.io-client's `tryAllTransports` goes by errors, and hears none
 * of a WebSocket that is held back, nor of one whose constructor throws.
 */
export class Transports {
  readonly #settings: Settings;
  readonly #wished: readonly Kind[];
  #isHeldBack = false; // a WebSocket was, where polling opened
  #reason: string | undefined; // why the last WebSocket did not open

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#wished = settings.socketOptions.transports ?? ['websocket', 'polling'];
  }

  /** Tries to connect, for `timeoutMs` at most. The function that it returns gives up. */
  dial(timeoutMs: number, { opened, failed }: Caller): () => void {
    let giveUp: () => void;
    let lateTimer: ReturnType<typeof setTimeout> | undefined;
    let isLate = false; // the WebSocket
    const end = () => {
      clearTimeout(tryTimer);
      clearTimeout(lateTimer);
      giveUp();
    };
    const caller: Caller = {
      opened: (engine, maxPayload) => {
        end();
        this.#isHeldBack ||= isLate; // it is not the network or the server
        this.#follow(engine);
        opened(engine, maxPayload);
      },
      failed: (why, cause) => {
        end();
        failed(why, cause);
      },
    };
    const tryTimer = setTimeout(() => caller.failed('timeout'), timeoutMs);

    const transports = this.#inOrder();
    const [first, ...others] = transports;
    if (first === undefined || !isWebSocket(first) || others.length === 0 || this.#settings.socketOptions.tryAllTransports === false) {
      giveUp = this.#open(transports, true, caller);
      return end;
    }
    const instead = (those: readonly Kind[], why: string) => {
      clearTimeout(lateTimer);
      giveUp();
      this.#reason = why;
      giveUp = this.#open(those, true, caller);
    };
    lateTimer = setTimeout(() => {
      isLate = true;
      instead([...others, first], kLate); // it may still be upgraded
    }, kOpenMs);
    giveUp = this.#open(transports, false, { ...caller, failed: (why, cause) => instead(others, reasonOf(why, cause)) });
    return end;
  }

  /** What there is to say of a connection over the transport `name`. */
  describe(name: string): ConnectionTransport {
    const reason = name === 'websocket' ? undefined : this.#reason;
    return { name: name as ConnectionTransport['name'], ...(reason !== undefined && { reason }) };
  }

  // Over the first of them, or over the next if that fails. The function that it returns gives up.
  #open(transports: readonly Kind[], tryAllTransports: boolean, { opened, failed }: Caller): () => void {
    const { origin, path, token, socketOptions } = this.#settings;
    const engine = new Engine(origin, {
      path,
      tryAllTransports,
      withCredentials: token === undefined, // the cookie signs in; with `allowed_origins: *` none may be sent
      ...socketOptions,
      transports: transports.map((kind) => (typeof kind === 'string' ? kTransports[kind] : kind)) as TransportCtor[],
    });
    let isOver = false;
    let maxPayload: number | undefined;
    const giveUp = () => {
      if (isOver) return;
      isOver = true;
      engine.close();
    };
    const fail = (why: string, cause?: unknown) => {
      if (isOver) return;
      giveUp();
      failed(why, cause);
    };
    // Before engine.io-client reads it, which throws at what is no handshake. As an error it ends the connection.
    engine.on('packet', (packet) => {
      const isFirst = engine.readyState === 'opening';
      if ((packet.type === 'open') !== isFirst || (isFirst && !isHandshake(packet.data))) packet.type = 'error';
    });
    engine.on('handshake', (handshake) => (maxPayload = optionalNumber(handshake.maxPayload)));
    engine.on('open', () => {
      if (isOver) return;
      isOver = true;
      opened(engine, maxPayload);
    });
    engine.on('close', (reason, details) => fail(whyClosed(reason, details), details));
    // No event tells of it.
    const { transport } = engine;
    if (transport.name === 'websocket' && !('ws' in transport)) queueMicrotask(() => fail('Its constructor failed: does the Content-Security-Policy of the page leave it out?'));
    return giveUp;
  }

  #inOrder(): readonly Kind[] {
    return this.#isHeldBack ? [...this.#wished].sort((a, b) => Number(isWebSocket(a)) - Number(isWebSocket(b))) : this.#wished;
  }

  #follow(engine: Engine): void {
    const over = (name: string) => {
      if (name !== 'websocket') return;
      this.#reason = undefined;
      this.#isHeldBack = false;
    };
    over(engine.transport.name);
    engine.on('upgrade', ({ name }) => over(name));
    engine.on('upgradeError', ({ message }) => {
      if (engine.readyState === 'open') this.#reason ??= message; // else it is the end of the connection that ends it
    });
  }
}

function isHandshake(data: unknown): boolean {
  try {
    const { sid, upgrades, pingInterval, pingTimeout } = fieldsOf(JSON.parse(String(data)));
    return typeof sid === 'string' && Array.isArray(upgrades) && [pingInterval, pingTimeout].every(Number.isFinite);
  } catch {
    return false;
  }
}

function isWebSocket(transport: Kind): boolean {
  return (typeof transport === 'string' ? transport : (transport.prototype as { name: string }).name) === 'websocket';
}

// Node's says why in its event; of a browser's nothing can be had.
function reasonOf(why: string, cause: unknown): string {
  const said = messageIn(fieldsOf(cause).description) ?? why;
  return said === 'websocket error' ? 'It was refused.' : said;
}
