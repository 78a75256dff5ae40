// A server of a scenario's own, on a folder of its own, and what the scenarios do with it.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const kSecret = 'a secret of the bench, 32 bytes or more';
const kAtOnce = 256; // sign-ins that are on their way at once

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const now = () => performance.now();

export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

export function token(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', kSecret).update(signed).digest('base64url')}`;
}

/** A service with a connection of its own for each request that is under way. */
export class Publisher {
  #port;
  #token = token({ service: 'api' });
  #agent = new http.Agent({ keepAlive: true });

  constructor(port) {
    this.#port = port;
  }

  /** One event, or a list of them in one request. */
  publish(events) {
    return new Promise((resolve, reject) => {
      const request = http.request({ agent: this.#agent, host: '127.0.0.1', port: this.#port, path: '/v1/events', method: 'POST', headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' } }, (response) => {
        let text = '';
        response.on('data', (bytes) => (text += bytes));
        response.on('end', () => (response.statusCode < 300 ? resolve() : reject(new Error(`publish: ${response.statusCode} ${text}`))));
      });
      request.on('error', reject);
      request.end(JSON.stringify(events));
    });
  }

  end() {
    this.#agent.destroy();
  }
}

export class Server {
  folder = mkdtempSync(join(tmpdir(), 'eventbus-scenario-'));
  port = 0;
  adminPort = 0;
  readyAt = 0;
  #bin;
  #flags;
  #process;
  #publisher;

  /** `catalog`: its text; `flags`: those of `eventbus serve` that the scenario needs. */
  constructor(bin, catalog, flags = []) {
    this.#bin = bin;
    writeFileSync(join(this.folder, 'catalog.yaml'), catalog);
    this.#flags = ['serve', '--catalog', join(this.folder, 'catalog.yaml'), '--data', join(this.folder, 'data'), ...flags];
  }

  /** Starts it, and resolves once it listens, with how long that took in milliseconds. */
  async up() {
    const began = now();
    const args = [...this.#flags, '--listen', `127.0.0.1:${this.port}`, '--admin-listen', `127.0.0.1:${this.adminPort}`];
    const server = (this.#process = spawn(this.#bin, args, { env: { PATH: process.env.PATH, EVENTBUS_JWT_SECRET: kSecret }, stdio: ['ignore', 'pipe', 'pipe'] }));
    let said = '';
    await new Promise((resolve, reject) => {
      const onText = (text) => {
        said += text;
        const ready = /ready on http:\/\/127\.0\.0\.1:(\d+).*admin on http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
        if (ready === null) return;
        this.readyAt = now();
        [this.port, this.adminPort] = [Number(ready[1]), Number(ready[2])];
        this.#publisher = new Publisher(this.port);
        resolve();
      };
      server.stdout.on('data', onText);
      server.stderr.on('data', onText);
      server.on('exit', (code, signal) => reject(new Error(`the server ended with ${signal ?? code}: ${said}`)));
    });
    return this.readyAt - began;
  }

  end(signal) {
    return new Promise((resolve) => {
      this.#publisher?.end();
      if (this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return resolve();
      this.#process.on('exit', resolve);
      this.#process.kill(signal);
    });
  }

  async remove() {
    await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  #ofThreads(file) {
    const threads = `/proc/${this.#process.pid}/task`;
    return readdirSync(threads).map((id) => [id, readFileSync(`${threads}/${id}/${file}`, 'utf8')]);
  }

  /** CPU time of its threads so far, in microseconds. */
  cpu() {
    return this.#ofThreads('schedstat').reduce((sum, [, text]) => sum + Number(text.split(' ')[0]) / 1_000, 0);
  }

  /** Memory that is resident, in bytes. */
  rss() {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#process.pid}/status`, 'utf8'))[1]) * 1024;
  }

  /** How often each thread went to sleep so far, by its id. */
  sleeps() {
    return new Map(this.#ofThreads('status').map(([id, text]) => [id, Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)[1])]));
  }

  /** The sum of the metrics whose names match; undefined where the server has none. */
  async metric(name) {
    const text = await (await fetch(`http://127.0.0.1:${this.adminPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => new RegExp(`^eventbus_${name}(\\{[^}]*\\})? `).test(line));
    return lines.length === 0 ? undefined : lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** One event, or a list of them in one request. */
  publish(events) {
    return this.#publisher.publish(events);
  }

  /** `count` events, `event(n)` each, up to a thousand a request. */
  async publishMany(count, event, each = 1_000) {
    for (let at = 0; at < count; at += each) await this.publish(Array.from({ length: Math.min(each, count - at) }, (_, n) => event(at + n)));
  }
}

export async function connectAll(clients) {
  const waiting = [...clients];
  const worker = async () => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) while (!(await client.connect())) await pause(2);
  };
  await Promise.all(Array.from({ length: kAtOnce }, worker));
}

export async function until(condition, what, boundMs = 120_000) {
  const end = now() + boundMs;
  while (!(await condition())) {
    if (now() > end) throw new Error(`${what}: not within ${boundMs} ms`);
    await pause(2);
  }
}
