import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const RESTART_AFTER_MS = 1_000;
const DEATHS_MAX = 5; // within DEATHS_WITHIN_MS: then it will not run, however often it is tried
const DEATHS_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 12_000;
const COLORS = { bus: 36, api: 33, worker: 35 };

// One process that is kept running: started again when it dies, until it is stopped.
export class Supervised {
  #child;
  #deaths = [];
  #hasBeenReady = false;
  #isStopping = false;
  #restart;

  // `isReady` is asked again and again after each start; `onLost` is told when it is given up.
  constructor({ name, command, args, env, isReady, onLost }) {
    Object.assign(this, { name, command, args, env, isReady, onLost });
  }

  get pid() {
    return this.#child?.pid;
  }

  async start() {
    this.#run();
    while (!(await this.isReady(this))) {
      if (this.#isStopping) throw new Error(`${this.name} was stopped before it was ready`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.#hasBeenReady = true;
  }

  async stop() {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const killing = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    child.kill('SIGTERM');
    await once(child, 'exit');
    clearTimeout(killing);
  }

  kill() {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    this.#child?.kill('SIGKILL');
  }

  say(line) {
    const color = process.stdout.isTTY ? COLORS[this.name] : undefined;
    const prefix = this.name.padEnd(6);
    console.log(`${color ? `\x1b[${color}m${prefix}\x1b[0m` : prefix} ${line}`);
  }

  #run() {
    this.hasSaidReady = false;
    // A process group of its own: Ctrl-C reaches only the launcher, which stops the parts in order.
    const child = spawn(this.command, this.args, {
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (line.startsWith('ready')) this.hasSaidReady = true;
        this.say(line);
      });
    }
    child.once('error', (error) => this.say(error.message));
    child.once('close', (code, signal) => this.#onClose(code, signal));
  }

  #onClose(code, signal) {
    if (this.#isStopping) return;
    const now = Date.now();
    this.#deaths = [...this.#deaths.filter((at) => now - at < DEATHS_WITHIN_MS), now];
    const how = signal ? `was ended by ${signal}` : `has ended with code ${code}`;
    const isHopeless = !this.#hasBeenReady || this.#deaths.length >= DEATHS_MAX;
    if (isHopeless) {
      this.#isStopping = true;
      return this.onLost(
        `${this.name} ${how}${this.#hasBeenReady ? `, ${DEATHS_MAX} times in a row` : ' before it was ready'}`,
      );
    }
    this.say(`${how}; starting it again`);
    this.#restart = setTimeout(() => this.#run(), RESTART_AFTER_MS);
  }
}
