import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** What stands between a client and a server, and can break: both then see their connections end without a word. */
export class Relay {
  readonly #listening = createServer((client) => this.#relay(client));
  readonly #sockets = new Set<Socket>();
  readonly #polls = new Set<Socket>();
  #woken: (() => void)[] = [];
  #isCut = false;

  private constructor(readonly server: { host: string; port: number }) {}

  static async to(server: { host: string; port: number }): Promise<Relay> {
    const relay = new Relay(server);
    await new Promise<void>((resolve) => relay.#listening.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listening.address() as AddressInfo).port}`;
  }

  /** Resolves once the server has been sent a poll that it has not answered. */
  async pollWaits(): Promise<void> {
    while (this.#polls.size === 0) await new Promise<void>((resolve) => this.#woken.push(resolve));
  }

  /** Ends the connections that there are, and new ones at once. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  reopen(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#listening.close();
  }

  #relay(client: Socket): void {
    if (this.#isCut) return void client.destroy();
    const server = connect(this.server);
    for (const [from, to] of [[client, server], [server, client]] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        this.#polls.delete(client);
        to.destroy();
      });
    }
    client.on('data', (data: Buffer) => {
      if (!/^GET \S*transport=polling\S*&sid=/.test(data.toString('latin1'))) return;
      const isThere = () => {
        this.#polls.add(client);
        for (const wake of this.#woken.splice(0)) wake();
      };
      if (server.connecting) server.once('connect', () => setImmediate(isThere));  // and then what waits is written
      else isThere();
    });
    server.on('data', () => this.#polls.delete(client));
  }
}
