import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll } from 'vitest';
import { WebSocket } from 'ws';

const kBinary = process.env.EVENTBUS_ECHO_BIN ?? fileURLToPath(new URL('../../../build/release/bin/eventbus_echo', import.meta.url));

export const kPingIntervalMs = 300;
export const kPingTimeoutMs = 200;

let address = '';

/** Starts the echo server before the tests of a file, and stops it after them. */
export function useEchoServer(): void {
  let server: ChildProcess | undefined;
  beforeAll(async () => {
    if (!existsSync(kBinary)) throw new Error(`${kBinary} is missing: build it, or name another with EVENTBUS_ECHO_BIN.`);
    server = spawn(kBinary, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
    address = line.replace('listening on ', '');
  });
  afterAll(async () => {
    if (!server) return;
    if (server.exitCode !== null || server.signalCode !== null) throw new Error('the echo server has died on the way');
    server.kill('SIGTERM');
    const [code] = (await once(server, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the echo server ended with ${code}`);
  });
}

export const httpUrl = (path: string, query: string): string => `http://${address}${path}?${query}`;
export const serverUrl = (): string => `http://${address}`;

export interface Opened {
  readonly sid: string;
  readonly upgrades: string[];
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly maxPayload: number;
}

export function parseOpen(packet: string): Opened {
  if (!packet.startsWith('0')) throw new Error(`no open packet: ${packet}`);
  return JSON.parse(packet.slice(1)) as Opened;
}

/** One Engine.IO session over HTTP long-polling. */
export class Polling {
  private constructor(
    readonly path: string,
    readonly sid: string,
  ) {}

  static async open(path: string): Promise<Polling> {
    const response = await fetch(httpUrl(path, 'EIO=4&transport=polling'));
    return new Polling(path, parseOpen(await response.text()).sid);
  }

  async poll(extra = ''): Promise<{ status: number; body: string }> {
    const response = await fetch(httpUrl(this.path, `EIO=4&transport=polling&sid=${this.sid}${extra}`));
    return { status: response.status, body: await response.text() };
  }

  async post(body: string): Promise<{ status: number; body: string }> {
    const response = await fetch(httpUrl(this.path, `EIO=4&transport=polling&sid=${this.sid}`), { method: 'POST', body });
    return { status: response.status, body: await response.text() };
  }
}

/** A WebSocket whose messages are read one by one; no message is missed between two reads. */
export class Socket {
  readonly #ws: WebSocket;
  readonly #messages: (string | Uint8Array)[] = [];
  readonly #waiting: ((message: string | Uint8Array) => void)[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  error: Error | undefined;

  constructor(path: string, query: string) {
    this.#ws = new WebSocket(httpUrl(path, query).replace('http', 'ws'));
    this.opened = new Promise((resolve) => this.#ws.once('open', () => resolve()));
    this.closed = new Promise((resolve) => this.#ws.once('close', (code) => resolve(code)));
    this.#ws.on('error', (error) => (this.error = error));
    this.#ws.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? new Uint8Array(data) : data.toString();
      const waiting = this.#waiting.shift();
      if (waiting) waiting(message);
      else this.#messages.push(message);
    });
  }

  static overWebSocket(path: string): Socket {
    return new Socket(path, 'EIO=4&transport=websocket');
  }

  /** One that has read its open packet. */
  static async open(path: string): Promise<Socket> {
    const socket = Socket.overWebSocket(path);
    parseOpen(await socket.text());
    return socket;
  }

  /** One that has joined the main namespace and read its `auth`. */
  static async join(): Promise<Socket> {
    const socket = await Socket.open('/socket.io/');
    socket.send('40');
    await socket.text();
    await socket.text();
    return socket;
  }

  send(data: string | Uint8Array): void {
    this.#ws.send(data);
  }

  close(): void {
    this.#ws.close();
  }

  async next(): Promise<string | Uint8Array> {
    return this.#messages.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  async text(): Promise<string> {
    const message = await this.next();
    if (typeof message !== 'string') throw new Error('a binary message where a text was expected');
    return message;
  }

  /** The next that is no ping. */
  async packet(): Promise<string | Uint8Array> {
    for (;;) {
      const message = await this.next();
      if (message !== '2') return message;
    }
  }
}

/** What is sent first on a path: who joins no namespace of Socket.IO is closed after a second, whatever it answers. */
const hello = (path: string): string[] => (path === '/socket.io/' ? ['40'] : []);

async function openPolling(path: string): Promise<Polling> {
  const session = await Polling.open(path);
  for (const packet of hello(path)) await session.post(packet);
  return session;
}

async function openWebSocket(path: string): Promise<Socket> {
  const socket = await Socket.open(path);
  for (const packet of hello(path)) socket.send(packet);
  return socket;
}

/** Opens a WebSocket that answers nothing, and resolves once the server has ended it. */
export async function silentWebSocketEnds(path: string): Promise<void> {
  await (await openWebSocket(path)).closed;
}

/**
 * The status of a poll of a session that answered nothing, when it must be over: the server has ended a silent one that
 * began later. That is its own clock, so it does not matter how late the machine lets it or us go on.
 */
export async function pollAfterSilence(path: string): Promise<number> {
  const session = await openPolling(path);
  await silentWebSocketEnds(path);
  return (await session.poll()).status;
}

/** A session whose pings are to be answered. */
export interface Pinged {
  /** Resolves at the next ping; false: it was ended. */
  ping(): Promise<boolean>;
  pong(): Promise<boolean>;
  close(): void;
}

export async function pingedPolling(path: string): Promise<Pinged> {
  const session = await openPolling(path);
  return {
    ping: async () => {
      for (;;) {
        const { status, body } = await session.poll();
        const packets = body.split('\x1e');
        if (status !== 200 || packets.includes('1')) return false;
        if (packets.includes('2')) return true;
      }
    },
    pong: async () => (await session.post('3')).status === 200,
    close: () => void session.post('1'),
  };
}

export async function pingedWebSocket(path: string): Promise<Pinged> {
  const socket = await openWebSocket(path);
  const closed = socket.closed.then(() => undefined);
  return {
    ping: async () => {
      for (;;) {
        const message = await Promise.race([socket.next(), closed]);
        if (message === undefined || message === '2') return message === '2';
      }
    },
    pong: async () => (socket.send('3'), true),
    close: () => socket.close(),
  };
}

/**
 * Answers three pings of a session. An end is held against the server if the next answer could not be late by then: on
 * a busy machine we may be kept from answering in time, which proves nothing, and the next session is tried.
 */
export async function livesWhileItAnswers(open: () => Promise<Pinged>): Promise<void> {
  for (;;) {
    let answeredAt = performance.now();
    const session = await open();
    let pings = 0;
    while (pings < 3 && (await session.ping())) {
      const at = performance.now();
      if (!(await session.pong())) break;
      answeredAt = at;
      ++pings;
    }
    const silentMs = performance.now() - answeredAt;
    session.close();
    if (pings === 3) return;
    if (silentMs < kPingIntervalMs + kPingTimeoutMs) throw new Error(`the server ended it ${silentMs} ms after an answer, before ping ${pings + 1}`);
  }
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
