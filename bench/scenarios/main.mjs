// What a deploy costs: many clients come back at once, those that are owed nothing and those that missed much.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Client } from './client.mjs';

const kUsage = `usage: bench/deploy/run [--row stop|kill|away|missed]… [--clients N] [--events N] [--reactors N] [--server-bin PATH] [--check]
  stop     quiet clients and events of others, then SIGTERM and a start: all come back at once
  kill     the same with kill -9
  away     the events of others are published while the clients are away
  missed   three times as many clients, each of which missed 100 of the events; another client gets live ones meanwhile`;
const { values: options } = parseArgs({
  options: {
    row: { type: 'string', multiple: true, default: ['stop', 'kill', 'away', 'missed'] },
    clients: { type: 'string', default: '2000' },
    events: { type: 'string', default: '200000' },
    reactors: { type: 'string', default: '1' },
    'server-bin': { type: 'string', default: process.env.EVENTBUS_BIN ?? fileURLToPath(new URL('../../build/release/bin/eventbus', import.meta.url)) },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(kUsage);
  process.exit(0);
}
const kClients = Number(options.clients);
const kEvents = Number(options.events);
const kSecret = 'a secret of the bench, 32 bytes or more';
const kAtOnce = 256; // sign-ins that are on their way at once
const kCatalog = fileURLToPath(new URL('catalog.yaml', import.meta.url));

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const now = () => performance.now();

function token(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', kSecret).update(signed).digest('base64url')}`;
}

class Server {
  folder = mkdtempSync(join(tmpdir(), 'eventbus-deploy-'));
  port = 0;
  adminPort = 0;
  readyAt = 0;
  #process;

  async up() {
    const args = ['serve', '--catalog', kCatalog, '--listen', `127.0.0.1:${this.port}`, '--admin-listen', `127.0.0.1:${this.adminPort}`, '--data', join(this.folder, 'data'), '--reactors', options.reactors];
    const server = (this.#process = spawn(options['server-bin'], args, { env: { PATH: process.env.PATH, EVENTBUS_JWT_SECRET: kSecret }, stdio: ['ignore', 'pipe', 'pipe'] }));
    let said = '';
    await new Promise((resolve, reject) => {
      const onText = (text) => {
        said += text;
        const ready = /ready on http:\/\/127\.0\.0\.1:(\d+).*admin on http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
        if (ready === null) return;
        this.readyAt = now();
        [this.port, this.adminPort] = [Number(ready[1]), Number(ready[2])];
        resolve();
      };
      server.stdout.on('data', onText);
      server.stderr.on('data', onText);
      server.on('exit', (code, signal) => reject(new Error(`the server ended with ${signal ?? code}: ${said}`)));
    });
  }

  end(signal) {
    return new Promise((resolve) => {
      this.#process.on('exit', resolve);
      this.#process.kill(signal);
    });
  }

  /** CPU time so far, in microseconds. */
  cpu() {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  }

  /** Pages of the log that were read for clients that came back; undefined where the server does not count them. */
  async pages() {
    const text = await (await fetch(`http://127.0.0.1:${this.adminPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => /^eventbus_\w*pages\w*(\{[^}]*\})? /.test(line));
    return lines.length === 0 ? undefined : lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async publish(events) {
    const response = await fetch(`http://127.0.0.1:${this.port}/v1/events`, { method: 'POST', headers: { authorization: `Bearer ${token({ service: 'api' })}`, 'content-type': 'application/json' }, body: JSON.stringify(events) });
    if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }

  async ofOthers(count) {
    for (let at = 0; at < count; at += 1_000) await this.publish(Array.from({ length: Math.min(1_000, count - at) }, (_, n) => ({ type: 'note', data: { user: `other-${n % 500}`, text: 'Creating thumbnails', n: at + n } })));
  }
}

async function connectAll(clients) {
  const waiting = [...clients];
  const worker = async () => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) while (!(await client.connect())) await pause(2);
  };
  await Promise.all(Array.from({ length: kAtOnce }, worker));
}

async function until(condition, what, boundMs = 120_000) {
  const end = now() + boundMs;
  while (!condition()) {
    if (now() > end) throw new Error(`${what}: not within ${boundMs} ms`);
    await pause(2);
  }
}

const failures = [];
function bar(row, what, value, limit, unit) {
  const holds = value <= limit;
  console.log(`  ${what}: ${Number(value.toFixed(1)).toLocaleString('en')} ${unit} (≤ ${limit.toLocaleString('en')})${holds ? '' : '  MISSED'}`);
  if (!holds) failures.push(`${row}: ${what}`);
}

async function quiet(row, server) {
  const clients = Array.from({ length: kClients }, (_, n) => new Client(server.port, token({ sub: `quiet-${n}` })));
  const before = server.cpu();
  await connectAll(clients);
  const firstUs = (server.cpu() - before) / kClients;
  if (row === 'away') {
    for (const client of clients) client.drop();
    await pause(200);
  }
  await server.ofOthers(kEvents);
  await server.end(row === 'kill' ? 'SIGKILL' : 'SIGTERM');
  await server.up();
  const cpuBefore = server.cpu();
  await connectAll(clients);
  await until(() => clients.every(({ isDone }) => isDone), 'resume.done');
  const cpuUs = (server.cpu() - cpuBefore) / kClients;
  await server.publish({ type: 'all', data: {} });
  await until(() => clients.every(({ got }) => got === 1), 'a live event');
  bar(row, 'all back and live after the listener was up', now() - server.readyAt, 2_000, 'ms');
  bar(row, `server CPU a client, as a multiple of a first sign-in (${firstUs.toFixed(0)} µs)`, cpuUs / firstUs, 1.3, '×');
  bar(row, 'sessions unknown or gaps told', clients.filter(({ gaps, isUnknown }) => gaps > 0 || isUnknown).length, 0, 'clients');
  const pages = await server.pages();
  if (pages === undefined) console.log('  pages of the log read: the server does not count them');
  else if (row === 'stop') bar(row, 'pages of the log read', pages, 0, 'pages');
  else console.log(`  pages of the log read: ${pages}`);
  for (const client of clients) client.drop();
}

async function missed(row, server) {
  const count = 3 * kClients;
  const clients = Array.from({ length: count }, (_, n) => new Client(server.port, token({ sub: `user-${n}`, roles: [`team-${n % 60}`] })));
  await connectAll(clients);
  for (const client of clients) client.drop();
  // Each team misses 100 events, spread among those of others.
  const each = Math.floor(kEvents / 6_000);
  for (let at = 0; at < 6_000; at += 30) {
    await server.publish(Array.from({ length: 30 }, (_, n) => ({ type: 'team', data: { team: (at + n) % 60 } })));
    await server.ofOthers(30 * Math.max(0, each - 1));
  }
  await server.ofOthers(70_000); // far behind what is kept in memory
  const witness = new Client(server.port, token({ sub: 'witness' }));
  await connectAll([witness]);
  const latencies = [];
  witness.onEvent = ([, { at }]) => latencies.push(now() - at);
  let isOver = false;
  const live = (async () => {
    while (!isOver) {
      await server.publish({ type: 'note', data: { user: 'witness', at: now() } });
      await pause(5);
    }
  })();
  const began = now();
  await connectAll(clients);
  await until(() => clients.every(({ got }) => got >= 100), 'what was missed');
  const tookMs = now() - began;
  isOver = true;
  await live;
  latencies.sort((a, b) => a - b);
  console.log(`  ${count} clients had what they missed after ${Math.round(tookMs).toLocaleString('en')} ms`);
  bar(row, 'clients with too much, or a false gap', clients.filter(({ got, gaps, isUnknown }) => got !== 100 || gaps > 0 || isUnknown).length, 0, 'clients');
  bar(row, `a live event of another client, p99 of ${latencies.length}`, latencies[Math.floor(latencies.length * 0.99)], 50, 'ms');
  bar(row, 'a live event of another client, at most', latencies.at(-1), 250, 'ms');
  for (const client of [...clients, witness]) client.drop();
}

for (const row of options.row) {
  const server = new Server();
  console.log(`${row}: ${row === 'missed' ? 3 * kClients : kClients} clients, ${kEvents.toLocaleString('en')} events`);
  try {
    await server.up();
    await (row === 'missed' ? missed : quiet)(row, server);
  } catch (error) {
    console.log(`  ${error.message}  MISSED`);
    failures.push(`${row}: ${error.message}`);
  }
  await server.end('SIGKILL');
  rmSync(server.folder, { recursive: true, force: true });
}
console.log(failures.length === 0 ? 'all bars hold' : `missed: ${failures.join('; ')}`);
process.exit(options.check && failures.length > 0 ? 1 : 0);
