import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterwards } from './clean-up.js';
import { kSecret } from './tokens.js';

export const kBinary = process.env.EVENTBUS_BIN ?? fileURLToPath(new URL('../../../build/release/bin/eventbus', import.meta.url));
const kCatalog = fileURLToPath(new URL('./catalog.yaml', import.meta.url));
const kReadyMs = 20_000;
const kOutputCharsMax = 20_000;

export interface ServerOptions {
  /** Settings as `EVENTBUS_…` variables: `{ jwt_clock_skew: '0s' }`. With a certificate `url` is https. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The data directory is a disk of its own, in memory and of this size: `320m`. Only root may have one. */
  readonly disk?: string;
  /** Of the process, beside the settings: `{ LD_PRELOAD: … }`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Another catalog than the tests' own. */
  readonly catalog?: string;
}

/** The real server in a process of its own, on a free port, with a data directory that goes with the test. */
export class BusServer {
  readonly data = mkdtempSync(join(tmpdir(), 'eventbus-e2e-'));
  readonly #options: ServerOptions;
  #process: ChildProcess | undefined;
  #address = '127.0.0.1:0';
  #output = '';

  static async start(options: ServerOptions = {}): Promise<BusServer> {
    const server = new BusServer(options);
    if (options.disk !== undefined) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.disk}`, 'tmpfs', server.data]);
    afterwards(() => server.#destroy());
    await server.up();
    return server;
  }

  private constructor(options: ServerOptions) {
    this.#options = options;
  }

  get url(): string {
    return `${this.#options.settings?.tls_certificate_file === undefined ? 'http' : 'https'}://${this.#address}`;
  }

  get output(): string {
    return this.#output;
  }

  /** Starts it, on the port it had before. Resolves when it is ready. */
  async up(): Promise<void> {
    if (!existsSync(kBinary)) throw new Error(`${kBinary} is missing: build it, or name another with EVENTBUS_BIN.`);
    const settings = Object.entries({ admin_listen: 'off', jwt_secret: kSecret, allowed_origins: 'https://photo-platform.com', ...this.#options.settings });
    const args = ['serve', '--catalog', this.#options.catalog ?? kCatalog, '--listen', this.#address, '--data', this.data];
    const server = spawn(kBinary, args, {
      env: { PATH: process.env.PATH, ...this.#options.environment, ...Object.fromEntries(settings.map(([key, value]) => [`EVENTBUS_${key.toUpperCase()}`, value])) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = server;
    this.#output = '';
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`The server ${why}. It said:\n${this.#output}`));
      const timer = setTimeout(() => fail(`was not ready within ${kReadyMs} ms`), kReadyMs);
      const onText = (text: Buffer) => {
        this.#output = (this.#output + text.toString()).slice(-kOutputCharsMax);
        const ready = /\bready\b.*?(127\.0\.0\.1:[1-9]\d*)/i.exec(this.#output);
        if (ready === null) return;
        this.#address = ready[1]!;
        clearTimeout(timer);
        resolve();
      };
      server.stdout.on('data', onText);
      server.stderr.on('data', onText);
      server.on('error', (error) => fail(`did not start: ${error.message}`));
      server.on('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
    });
  }

  /** As `up`, on the port of another. */
  async upAt(url: string): Promise<void> {
    this.#address = new URL(url).host;
    await this.up();
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; gives the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** Stands still (SIGSTOP) while `act` runs and then for `ms`, as a container that is paused. */
  async pause(ms: number, act: () => void): Promise<void> {
    this.#process!.kill('SIGSTOP');
    act();
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#process!.kill('SIGCONT');
  }

  /** SIGHUP; resolves when the log says `done`. */
  async reload(done: RegExp): Promise<void> {
    const server = this.#process!;
    const from = this.#output.length;
    const said = new Promise<void>((resolve) => {
      const look = () => (done.test(this.#output.slice(from)) ? (server.stderr!.off('data', look), resolve()) : undefined);
      server.stderr!.on('data', look);
    });
    server.kill('SIGHUP');
    await said;
  }

  /** Takes all that its disk has left, to the last byte. */
  fillDisk(): void {
    const file = openSync(join(this.data, 'filler'), 'a');
    for (let size = 1 << 20; size > 0; ) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch {
        size >>= 1;
      }
    }
    closeSync(file);
  }

  makeRoom(): void {
    rmSync(join(this.data, 'filler'));
  }

  /** Resolves when `/readyz` answers with `status`. */
  async readiness(status: 200 | 503): Promise<void> {
    while ((await fetch(`${this.url}/readyz`)).status !== status) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** The metric with that name and labels, as they stand on the page. */
  async metric(name: string, token: string): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
    const line = page.split('\n').find((text) => text.startsWith(`${name} `));
    if (line === undefined) throw new Error(`There is no metric ${name}.`);
    return Number(line.slice(name.length + 1));
  }

  /** Posts to the HTTP interface. */
  post(path: string, token: string, body: unknown): Promise<Response> {
    return fetch(`${this.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return server?.exitCode ?? null;
    const exit = once(server, 'exit') as Promise<[number | null]>;
    server.kill(signal);
    return (await exit)[0];
  }

  async #destroy(): Promise<void> {
    await this.kill();
    if (this.#options.disk !== undefined) execFileSync('umount', ['--lazy', this.data]);
    rmSync(this.data, { recursive: true, force: true });
  }
}
