import { createHash } from 'node:crypto';

import type { ManagerOptions, Socket, SocketOptions } from 'sio48';
import { io as io48 } from 'sio48';

import { Seen } from '../../e2e/support/seen.js';
import type { Connect } from './versions.js';

export type Options = Partial<ManagerOptions & SocketOptions>;

/** What a client saw, as lines that do not depend on ids, time and kind of buffer. */
export class Witness {
  readonly saw = new Seen<string>();
  readonly socket: Socket;

  constructor(
    readonly url: string,
    options: Options = {},
    io: Connect = io48,
  ) {
    this.socket = io(url, { forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50, ...options });
    this.watch(this.socket);
  }

  /** The same connection in another namespace. */
  join(nsp: string, options: Options = {}): Socket {
    return this.watch(this.socket.io.socket(nsp, options), `${nsp} `);
  }

  watch(socket: Socket, prefix = ''): Socket {
    const line = (text: string) => this.saw.add(prefix + text);
    socket.on('connect', () => line(`connect${socket.recovered ? ', recovered' : ''}`));
    socket.on('connect_error', (error) => line(`connect_error ${error.message}, active: ${socket.active}`));
    socket.on('disconnect', (reason) => line(`disconnect ${reason}, active: ${socket.active}`));
    socket.onAny((name: string, ...args: unknown[]) => line(`event ${name} ${show(args)}`));
    return socket;
  }

  /** Emits and notes the acknowledgement. */
  ask(...args: readonly unknown[]): void {
    this.socket.emit('message-with-ack', ...args, (...answer: unknown[]) => this.saw.add(`ack ${show(answer)}`));
  }

  /** Emits, and resolves once the answer is there: all that the server sent before has been seen then. */
  async fence(socket: Socket = this.socket): Promise<void> {
    await new Promise<void>((resolve) => socket.emit('message-with-ack', 'fence', () => resolve()));
  }

  /** Resolves once the client is on the last of its transports; which a broken connection tells depends on that. */
  async upgraded(): Promise<void> {
    const manager = this.socket.io;
    const last = (manager.opts.transports as string[] | undefined)?.at(-1) ?? 'websocket';
    for (;;) {
      const { engine } = manager;
      if (engine.readyState === 'closed') await new Promise<void>((resolve) => manager.once('open', () => resolve()));
      else if (engine.transport.name === last) return;
      // One that closes upgrades no more: what comes back is another.
      else await new Promise<void>((resolve) => engine.once('upgrade', () => resolve()).once('close', () => resolve()));
    }
  }

  async until(part: string, count = 1): Promise<void> {
    await this.saw.until((lines) => lines.filter((line) => line.includes(part)).length >= count);
  }
}

/** Resolves once the connection is over. */
export async function closed(engine: Socket['io']['engine']): Promise<void> {
  const { readyState } = engine as unknown as { readyState: string };
  if (readyState !== 'closed') await new Promise<void>((resolve) => engine.once('close', () => resolve()));
}

/** JSON in which bytes are a count and a hash, and so are long strings. */
export function show(value: unknown): string {
  const shown = (item: unknown): unknown => {
    if (item instanceof ArrayBuffer) return `<${item.byteLength} bytes ${hash(new Uint8Array(item))}>`;
    if (ArrayBuffer.isView(item)) return `<${item.byteLength} bytes ${hash(new Uint8Array(item.buffer, item.byteOffset, item.byteLength))}>`;
    if (typeof item === 'string' && item.length > 200) return `<${item.length} chars ${hash(item)}>`;
    if (Array.isArray(item)) return item.map(shown);
    if (typeof item === 'object' && item !== null) return Object.fromEntries(Object.entries(item).map(([key, field]) => [key, shown(field)]));
    return item;
  };
  return JSON.stringify(shown(value));
}

function hash(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8);
}
