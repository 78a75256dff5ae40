import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const kReadyMs = 10_000;
const kOutputCharsMax = 20_000;

/** A server in a process of its own, on a free port of the loopback that it keeps when it comes up again. */
export class ServerProcess {
  #process: ChildProcess | undefined;
  #address = '127.0.0.1:0';
  #output = '';

  /** `command` is given the address to listen on, and has to print it once it is ready. */
  constructor(
    readonly command: (address: string) => readonly [file: string, ...args: string[]],
    readonly env: Readonly<Record<string, string>> = {},
  ) {}

  get url(): string {
    return `http://${this.#address}`;
  }

  get address(): { host: string; port: number } {
    const { hostname, port } = new URL(this.url);
    return { host: hostname, port: Number(port) };
  }

  async up(): Promise<this> {
    const [file, ...args] = this.command(this.#address);
    if (!existsSync(file)) throw new Error(`${file} is missing: build it first.`);
    const server = spawn(file, args, { env: { PATH: process.env.PATH, ...this.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = server;
    this.#output = '';
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${file} ${why}. It said:\n${this.#output}`));
      const timer = setTimeout(() => fail(`was not ready within ${kReadyMs} ms`), kReadyMs);
      const onText = (text: Buffer) => {
        this.#output = (this.#output + text.toString()).slice(-kOutputCharsMax);
        const ready = /(?:listening on|ready).*?(127\.0\.0\.1:[1-9]\d*)/.exec(this.#output);
        if (ready === null) return;
        this.#address = ready[1]!;
        clearTimeout(timer);
        resolve();
      };
      server.stdout.on('data', onText);
      server.stderr.on('data', onText);
      server.on('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
    });
    return this;
  }

  /** Ends it, and gives its exit code; an end that came before, of itself, is an error. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined) return null;
    if (server.exitCode !== null || server.signalCode !== null) throw new Error(`The server had ended with ${server.exitCode ?? server.signalCode}. It said:\n${this.#output}`);
    const exit = once(server, 'exit') as Promise<[number | null]>;
    server.kill(signal);
    return (await exit)[0];
  }
}

const kOurs = process.env.EVENTBUS_ECHO_BIN ?? fileURLToPath(new URL('../../../build/release/bin/eventbus_echo', import.meta.url));
const kReference = fileURLToPath(new URL('./reference-server.mjs', import.meta.url));

export interface EchoOptions {
  /**
   * Heartbeats, and how long their answer may take: 25 s and 20 s, for clients that may be busy; `steady`, 300 ms and
   * 20 s; `quick`, 300 ms and 200 ms, which a busy machine makes a client miss.
   */
  readonly pace?: 'patient' | 'steady' | 'quick';
}

const flags = ({ pace = 'patient' }: EchoOptions): string[] => (pace === 'quick' ? [] : [`--${pace}`]);

/** Our echo server. */
export function ours(options: EchoOptions = {}): ServerProcess {
  return new ServerProcess((address) => [kOurs, '--listen', address, ...flags(options)]);
}

/** npm's socket.io and engine.io, behaving as our echo server. */
export function reference(options: EchoOptions = {}): ServerProcess {
  return new ServerProcess((address) => [process.execPath, kReference, '--listen', address, ...flags(options)]);
}
