import type { IncomingMessage, Server } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';

/** What becomes of requests to upgrade: no answer comes; `101` comes and nothing behind it; or this status instead. */
export type Upgrades = 'pass' | 'swallowed' | 'mute' | number;

/** An HTTP proxy in front of a bus, as it stands in offices and hotels. */
export class WebProxy {
  upgrades: Upgrades = 'pass';
  /** Of each request to upgrade that came. */
  readonly asked: string[] = [];
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  static async start(target: string, upgrades: Upgrades = 'pass'): Promise<WebProxy> {
    const proxy = new WebProxy(new URL(target));
    proxy.upgrades = upgrades;
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((asked, answer) => {
      const { method, url, headers } = asked;
      const passed = request({ host: target.hostname, port: target.port, method, path: url, headers }, (got) => {
        answer.writeHead(got.statusCode!, got.headers);
        got.pipe(answer);
      });
      passed.on('error', () => answer.destroy());
      answer.on('close', () => passed.destroy());
      asked.pipe(passed);
    });
    this.#server.on('connection', (socket: Socket) => this.#keep(socket));
    this.#server.on('upgrade', (asked: IncomingMessage, socket: Socket) => this.#onUpgrade(asked, socket));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #onUpgrade(asked: IncomingMessage, socket: Socket): void {
    this.asked.push(asked.url!);
    const { upgrades } = this;
    if (upgrades === 'swallowed') return;
    if (typeof upgrades === 'number') return void socket.end(`HTTP/1.1 ${upgrades} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    const other = this.#keep(connect(Number(this.#target.port), this.#target.hostname));
    const fields = asked.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
    other.write(`GET ${asked.url} HTTP/1.1\r\n${fields}\r\n`);
    socket.pipe(other);
    if (upgrades === 'pass') other.pipe(socket);
    else other.once('data', (head: Buffer) => socket.write(head.subarray(0, head.indexOf('\r\n\r\n') + 4)));
    socket.on('close', () => other.destroy());
    other.on('close', () => socket.destroy());
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}
