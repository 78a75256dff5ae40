import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const START = fileURLToPath(new URL('../start.mjs', import.meta.url));

// The whole example as a user starts it, on free ports, in a folder that is gone afterwards.
export class Platform {
  readonly lines: string[] = [];

  private constructor(
    readonly data: string,
    readonly process: ChildProcess,
  ) {}

  static async start(): Promise<Platform> {
    const data = await mkdtemp(join(tmpdir(), 'photo-platform-'));
    const child = spawn(
      process.execPath,
      [START, '--port', '0', '--bus-port', '0', '--admin-port', '0', '--data', data],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const platform = new Platform(data, child);
    const ready = new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          platform.lines.push(line);
          if (line.includes('/metrics')) resolve();
        });
      }
      child.once('exit', (code) => reject(new Error(`start.mjs ended with ${code}:\n${platform.lines.join('\n')}`)));
    });
    await ready;
    return platform;
  }

  get address(): string {
    return this.#find(/platform is open at {2}(\S+)/);
  }

  // Ends the bus as a crash would; the launcher starts it again. Its process id is told anew at each start.
  killBus(): void {
    process.kill(Number(this.#find(/kill -9 (\d+)/)), 'SIGKILL');
  }

  // Lets the worker stand still, as one that is busy would, until the function that it returns is called.
  holdWorker(): () => void {
    const pid = Number(this.#find(/worker +ready: process (\d+)/));
    process.kill(pid, 'SIGSTOP');
    return () => process.kill(pid, 'SIGCONT');
  }

  async stop(): Promise<number | null> {
    const exit = this.process.exitCode === null ? once(this.process, 'exit') : undefined;
    this.process.kill('SIGINT');
    await exit;
    await rm(this.data, { recursive: true, force: true });
    return this.process.exitCode;
  }

  #find(pattern: RegExp): string {
    for (const line of this.lines) {
      const found = pattern.exec(line)?.[1];
      if (found) return found;
    }
    throw new Error(`no line says ${pattern}:\n${this.lines.join('\n')}`);
  }
}
