import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { BusTokens } from '../shared/tokens.js';
import { folder } from './folder.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const BINARY = process.env['EVENTBUS_BIN'] ?? here('../../../build/release/bin/eventbus');
export const SECRET = '0123456789abcdef0123456789abcdef';
export const TOKENS = new BusTokens(SECRET);

// The event bus itself, with the catalog of the example and a folder of its own, until the test ends.
export class BusServer {
  #process: ChildProcess | undefined;

  private constructor(
    readonly data: string,
    private readonly settings: Record<string, string>,
    private address = '127.0.0.1:0',
  ) {}

  // `settings` as variables: { EVENTBUS_ALLOWED_ORIGINS: … }.
  static async start(catalog?: string, settings: Record<string, string> = {}): Promise<BusServer> {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: build it, or name another with EVENTBUS_BIN`);
    const server = new BusServer(await folder(), settings);
    onTestFinished(() => server.kill());
    await server.up(catalog);
    return server;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  // On the port that it had before, if any. Resolves when it is ready.
  async up(catalog = here('../catalog.yaml')): Promise<void> {
    const server = spawn(BINARY, ['serve', '--catalog', catalog, '--listen', this.address, '--data', this.data], {
      env: { EVENTBUS_JWT_SECRET: SECRET, EVENTBUS_ADMIN_LISTEN: 'off', ...this.settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = server;
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      for (const stream of [server.stdout, server.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          lines.push(line);
          const [, address] = /\bready\b.*?(127\.0\.0\.1:[1-9]\d*)/i.exec(line) ?? [];
          if (!address) return;
          this.address = address;
          resolve();
        });
      }
      server.once('exit', (code) => reject(new Error(`The event bus ended with ${code}:\n${lines.join('\n')}`)));
    });
  }

  // As a crash ends it.
  async kill(): Promise<void> {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }
}
