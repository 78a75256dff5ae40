import type { EventBus, EventBusOptions, UntypedEvents } from '@shared-infra/event-bus';
import { createEventBus } from '@shared-infra/event-bus';
import type { ManagerOptions, Socket, SocketOptions } from 'socket.io-client';
import { io } from 'socket.io-client';

import { afterwards } from './clean-up.js';
import { Seen } from './seen.js';
import type { BusServer } from './server.js';
import { serviceToken } from './tokens.js';

export type Answer = { ok: true; [field: string]: unknown } | { ok: false; error: { code: string; message: string; retryAfterMs?: number } };

/** An event as the plain client sees it. */
export interface Emitted {
  readonly name: string;
  readonly data: Record<string, unknown>;
  readonly meta: { id: string; type: string; source: string; subject?: string; time: string; offset: string };
  readonly last: unknown;
}

/** socket.io-client as it is, with a list of what it was sent. */
export class PlainClient {
  readonly events = new Seen<Emitted>();
  readonly control = new Seen<{ name: string; body: unknown }>();
  readonly socket: Socket;

  constructor(server: BusServer, token: string | undefined, options: Partial<ManagerOptions & SocketOptions> = {}) {
    const auth = token === undefined ? {} : { token };
    this.socket = io(server.url, { auth, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 200, ...options });
    this.socket.onAny((name: string, ...args: unknown[]) => this.#onAny(name, args));
    afterwards(() => this.socket.disconnect());
  }

  /** Resolves at the next CONNECT that is accepted; rejects at one that is refused. */
  connected(): Promise<this> {
    if (this.socket.connected) return Promise.resolve(this);
    return new Promise((resolve, reject) => {
      this.socket.once('connect', () => resolve(this));
      this.socket.once('connect_error', (error) => (this.socket.active ? undefined : reject(error)));
    });
  }

  ask(command: string, ...args: unknown[]): Promise<Answer> {
    return this.socket.timeout(10_000).emitWithAck(command, ...args) as Promise<Answer>;
  }

  /** The types of all events so far but the fences. */
  types(): string[] {
    return this.events.things.map(({ meta }) => meta.type).filter((type) => type !== 'system.announcement');
  }

  #onAny(name: string, args: unknown[]): void {
    const [data, meta] = args as [Emitted['data'], Emitted['meta'] | undefined];
    if (typeof meta === 'object' && meta !== null) this.events.add({ name, data, meta, last: args.at(-1) });
    else this.control.add({ name, body: args[0] });
  }
}

export async function connect(server: BusServer, token: string | undefined, options: Partial<ManagerOptions & SocketOptions> = {}): Promise<PlainClient> {
  return new PlainClient(server, token, options).connected();
}

/** Our package, in a hurry to come back. */
export function sdk<Events extends object = UntypedEvents>(server: BusServer, token: EventBusOptions['token'], options: EventBusOptions = {}): EventBus<Events> {
  const bus = createEventBus<Events>({ url: server.url, ...(token !== undefined && { token }), ...options, socketOptions: { reconnectionDelay: 20, reconnectionDelayMax: 200, ...options.socketOptions } });
  afterwards(() => bus.close({ drainMs: 0 }));
  return bus;
}

/**
 * Publishes an announcement to everyone and waits until each of the clients has it. Events come in the
 * order of the log, so what a client has not got by then it will never get.
 */
export async function fence(server: BusServer, clients: readonly PlainClient[]): Promise<void> {
  const { id } = await sdk(server, serviceToken('fence')).publish('system.announcement', { text: 'fence' });
  await Promise.all(clients.map(({ events }) => events.until((all) => all.some(({ meta }) => meta.id === id))));
}

/** The client loses the server, and comes back once `act` is done. */
export async function away(client: PlainClient, act: () => Promise<unknown>): Promise<void> {
  const lost = new Promise((resolve) => client.socket.once('disconnect', resolve));
  client.socket.io.reconnection(false);
  await act();
  await lost;
  client.socket.io.reconnection(true);
  client.socket.connect();
  await client.connected();
}
