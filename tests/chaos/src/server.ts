import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { CatalogName } from './catalog.ts';
import { catalogText } from './catalog.ts';
import { now, pause } from './moments.ts';
import { kSecret } from './tokens.ts';

const kReadyMs = 60_000;
const kOutputCharsMax = 200_000;
const kFaketime = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((folder) => `/usr/lib/${folder}/faketime/libfaketime.so.1`).find((file) => existsSync(file));

/** A span of time in which something was done to the server. */
export interface Incident {
  readonly what: 'kill' | 'stop' | 'pause' | 'clock' | 'full' | 'restore';
  readonly from: number;
  until: number;
}

/** When the narrow catalog held: certainly between `narrow` and `wide`, and possibly from `asked` to `back`. */
export interface NarrowSpan {
  asked: number;
  narrow: number;
  wide: number;
  back: number;
}

/** The real server: a process that is started, told, stopped, paused and killed. */
export class BusServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'eventbus-chaos-'));
  readonly incidents: Incident[] = [];
  readonly narrowSpans: NarrowSpan[] = [];
  readonly binary: string;
  readonly settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #port = 0;
  #output = '';
  #outputBefore = '';
  #isMounted = false;
  #isMeantToEnd = false;
  readonly #hasOwnClock: boolean;
  readonly #catalogText: (name: CatalogName) => string;
  /** Is called if the server ends and nobody has told it to. */
  onUnexpectedEnd: (how: string) => void = () => undefined;

  /** With `hasOwnClock` its clock can be stepped, where libfaketime is installed; that costs time at each look at it. */
  constructor(binary: string, settings: Readonly<Record<string, string>>, hasOwnClock: boolean, text: (name: CatalogName) => string = catalogText) {
    this.#catalogText = text;
    this.#hasOwnClock = hasOwnClock && kFaketime !== undefined;
    this.binary = binary;
    this.settings = settings;
    mkdirSync(this.data);
    writeFileSync(this.#clockFile, '+0s');
    this.#write('full');
  }

  get data(): string {
    return join(this.folder, 'data');
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get canStepClock(): boolean {
    return this.#hasOwnClock;
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** What the process said last, of the life before too. */
  lastWords(chars = 3_000): string {
    return (this.#outputBefore + this.#output).slice(-chars);
  }

  get #clockFile(): string {
    return join(this.folder, 'clock');
  }

  get #catalog(): string {
    return join(this.folder, 'catalog.yaml');
  }

  /** Whether something of these kinds was done to the server between the two moments. */
  suffered(from: number, until: number, ...kinds: Incident['what'][]): boolean {
    return this.incidents.some((incident) => incident.until >= from && incident.from <= until && (kinds.length === 0 || kinds.includes(incident.what)));
  }

  /** When an older copy of the data came back the last time. */
  get restoredAt(): number {
    return this.incidents.findLast(({ what }) => what === 'restore')?.until ?? -Infinity;
  }

  /** Starts it, on the port it had before. Resolves when it is ready. */
  async up(): Promise<void> {
    const args = ['serve', '--catalog', this.#catalog, '--listen', `127.0.0.1:${this.#port}`, '--admin-listen', 'off', '--data', this.data];
    const settings = Object.entries({ jwt_secret: kSecret, ...this.settings }).map(([key, value]) => [`EVENTBUS_${key.toUpperCase()}`, value]);
    const clock = kFaketime === undefined ? {} : { LD_PRELOAD: kFaketime, FAKETIME_TIMESTAMP_FILE: this.#clockFile, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const server = spawn(this.binary, args, { env: { PATH: process.env.PATH, ...Object.fromEntries(settings), ...(this.#hasOwnClock ? clock : {}) }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#outputBefore = this.#output.slice(-20_000);
    this.#output = '';
    this.#isMeantToEnd = false;
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`The server ${why}. It said:\n${this.lastWords()}`));
      const timer = setTimeout(() => fail(`was not ready within ${kReadyMs} ms`), kReadyMs);
      const onText = (text: Buffer): void => {
        this.#output = (this.#output + text.toString()).slice(-kOutputCharsMax);
        const ready = this.#process === server ? null : /\bready\b.*?127\.0\.0\.1:([1-9]\d*)/i.exec(this.#output);
        if (ready === null) return;
        this.#port = Number(ready[1]);
        this.#process = server;
        clearTimeout(timer);
        resolve();
      };
      server.stdout.on('data', onText);
      server.stderr.on('data', onText);
      server.on('error', (error) => fail(`did not start: ${error.message}`));
      server.on('exit', (code, signal) => {
        clearTimeout(timer);
        if (this.#process !== server) return fail(`ended with ${code ?? signal} at its start`);
        this.#process = undefined;
        if (!this.#isMeantToEnd) this.onUnexpectedEnd(`ended by itself with ${signal ?? `code ${code}`}`);
      });
    });
  }


  /** Ends it, does something while it is down, starts it again. */
  async restart(signal: 'SIGKILL' | 'SIGTERM', meanwhile: () => void | Promise<void> = () => undefined, what?: Incident['what']): Promise<void> {
    const incident: Incident = { what: what ?? (signal === 'SIGKILL' ? 'kill' : 'stop'), from: now(), until: Infinity };
    this.incidents.push(incident);
    await this.end(signal);
    await meanwhile();
    await this.up();
    incident.until = now();
  }

  /** Everything that was not on its disk is forgotten by now. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    this.#isMeantToEnd = true;
    const exit = once(server, 'exit');
    server.kill(signal);
    await exit;
  }

  /** SIGSTOP, and SIGCONT after a while. */
  async pause(ms: number): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    const incident: Incident = { what: 'pause', from: now(), until: Infinity };
    this.incidents.push(incident);
    server.kill('SIGSTOP');
    await pause(ms);
    server.kill('SIGCONT');
    incident.until = now();
  }

  /** SIGHUP with another catalog; resolves when the server says that it has it. */
  async load(name: CatalogName): Promise<void> {
    this.#write(name);
    const span = name === 'narrow' ? { asked: now(), narrow: Infinity, wide: Infinity, back: Infinity } : this.narrowSpans.at(-1)!;
    if (name === 'narrow') this.narrowSpans.push(span);
    else span.wide = now();
    await this.#reload();
    if (name === 'narrow') span.narrow = now();
    else span.back = now();
  }

  /** Puts the wall clock of the process forward or back. */
  stepClock(seconds: number): void {
    this.incidents.push({ what: 'clock', from: now(), until: now() });
    writeFileSync(this.#clockFile, `${seconds < 0 ? '' : '+'}${seconds}s`);
  }

  /** Puts the data directory on a small file system of its own; false where that is not allowed. */
  mountSmallDisk(bytes: number): boolean {
    if (process.getuid?.() !== 0) return false;
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', this.data], { stdio: 'ignore' });
    } catch {
      return false;
    }
    this.#isMounted = true;
    return true;
  }

  get hasSmallDisk(): boolean {
    return this.#isMounted;
  }

  /** Leaves `left` bytes of the small disk for a while. */
  async fill(left: number, ms: number): Promise<void> {
    const incident: Incident = { what: 'full', from: now(), until: Infinity };
    this.incidents.push(incident);
    const ballast = join(this.data, 'ballast');
    const { bavail, bsize } = statfsSync(this.data);
    try {
      execFileSync('fallocate', ['-l', String(Math.max(4_096, Number(bavail) * Number(bsize) - left)), ballast], { stdio: 'ignore' });
    } catch {
      // The server took the last of it meanwhile: full is full.
    }
    await pause(ms);
    rmSync(ballast, { force: true });
    incident.until = now();
  }

  /** Copies the data directory; only while the server is down. */
  backUp(): void {
    rmSync(join(this.folder, 'backup'), { recursive: true, force: true });
    cpSync(this.data, join(this.folder, 'backup'), { recursive: true });
  }

  restoreBackup(): void {
    for (const part of execFileSync('ls', ['-A', this.data], { encoding: 'utf8' }).split('\n')) if (part !== '') rmSync(join(this.data, part), { recursive: true, force: true });
    cpSync(join(this.folder, 'backup'), this.data, { recursive: true });
  }

  async destroy(): Promise<void> {
    await this.end('SIGKILL');
    if (this.#isMounted) execFileSync('umount', ['-l', this.data], { stdio: 'ignore' });
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #reload(): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    const from = this.#output.length;
    server.kill('SIGHUP');
    const end = now() + 10_000;
    while (!/catalog was loaded again/.test(this.#output.slice(Math.min(from, this.#output.length)))) {
      if (now() > end) throw new Error(`The server did not load its catalog again. It said:\n${this.lastWords()}`);
      await Promise.race([once(server.stderr!, 'data'), pause(100)]);
    }
  }

  #write(name: CatalogName): void {
    writeFileSync(this.#catalog, this.#catalogText(name));
  }
}
