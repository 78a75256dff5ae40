import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { SECRET } from './bus-server.js';

const WORKER = fileURLToPath(new URL('../dist/services/worker/main.js', import.meta.url));
const LOOK_EVERY_MS = 10;

// The worker as start.mjs runs it. Linux only: says how much memory it and its children had at once.
export class WorkerProcess {
  peakBytes = 0;
  readonly lines: string[] = [];
  readonly #process: ChildProcess;

  private constructor(busUrl: string, mediaDir: string) {
    this.#process = spawn(process.execPath, [WORKER], {
      env: { EVENT_BUS_URL: busUrl, EVENTBUS_JWT_SECRET: SECRET, MEDIA_DIR: mediaDir },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  static async start(busUrl: string, mediaDir: string): Promise<WorkerProcess> {
    const worker = new WorkerProcess(busUrl, mediaDir);
    const child = worker.#process;
    const looking = setInterval(() => void worker.#look(), LOOK_EVERY_MS);
    onTestFinished(async () => {
      clearInterval(looking);
      await worker.kill();
    });
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout!, child.stderr!]) {
        createInterface({ input: stream }).on('line', (line) => {
          worker.lines.push(line);
          if (line.startsWith('ready')) resolve();
        });
      }
      child.once('exit', (code) => reject(new Error(`The worker ended with ${code}:\n${worker.lines.join('\n')}`)));
    });
    return worker;
  }

  // As a crash ends it.
  async kill(): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  // The children that it has now.
  async children(): Promise<number[]> {
    const { pid } = this.#process;
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    return text.split(' ').filter(Boolean).map(Number);
  }

  async #look(): Promise<void> {
    const all = [this.#process.pid!, ...(await this.children())];
    const sizes = await Promise.all(all.map(residentBytes));
    this.peakBytes = Math.max(
      this.peakBytes,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }
}

// None of a process that has ended.
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}
