// Clients of the package whose tokens end every few seconds: none loses its connection, and no event is handled twice.
import { parseArgs } from 'node:util';

import type { EventBus } from '@shared-infra/event-bus';
import { createEventBus } from '@shared-infra/event-bus';

import { serverBinary } from '../command.ts';
import { Happenings, now, pause } from '../moments.ts';
import { kCatalog, kConsume, kThings } from '../proxy/catalog.ts';
import { Log } from '../proxy/log.ts';
import type { BusEvent, View } from '../proxy/views.ts';
import { Own, Watch } from '../proxy/views.ts';
import { World } from '../proxy/world.ts';
import { BusServer } from '../server.ts';
import type { Principal } from '../tokens.ts';
import { service, tokenOf, user } from '../tokens.ts';

const kUsage = `usage: tests/chaos/renewal [--seconds N] [--token-seconds N] [--server-bin PATH]
  --seconds N        how long (default 600)
  --token-seconds N  how long a token lasts (default 10)
  --server-bin PATH  the server (default: EVENTBUS_BIN, else build/release/bin/eventbus)`;
const kEveryMs = 40; // between publishes
const kWorkMs = 2_500; // the longest that a handler takes
const kStillMs = 10_000;

interface Options {
  readonly seconds: number;
  readonly tokenSeconds: number;
  readonly binary: string;
}

/** A client, what its handlers heard, and how often it was asked for a token. */
class Renewed {
  readonly name: string;
  readonly bus: EventBus;
  tokens = 0;
  #wasLive = false;

  constructor(name: string, who: Principal, world: World, tokenSeconds: number, transports: string[]) {
    this.name = name;
    const token = (): string => {
      ++this.tokens;
      return tokenOf(who, tokenSeconds);
    };
    this.bus = createEventBus({ url: world.server.url, token, resumeKey: false, socketOptions: { transports } });
    this.bus.onState(({ status, error }) => {
      if (this.#wasLive && status !== 'live' && world.isWild) world.fault('left live', name, `its state became ${status}${error === undefined ? '' : ` (${error.code}: ${error.message})`} after ${this.tokens} tokens`);
      this.#wasLive ||= status === 'live';
    });
    this.bus.onError(({ code, message }) => world.fault('error', name, `onError heard ${code}: ${message}`));
    this.bus.onGap(({ from, to }) => world.fault('false gap', name, `a gap from ${from} to ${to} was told`));
  }
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(kUsage);
    return 0;
  }
  const options = parse(args);
  const server = new BusServer(options.binary, { jwt_clock_skew: '0s' }, false, () => kCatalog);
  const world = new World(server, new Happenings(), []);
  server.onUnexpectedEnd = (how) => world.fault('server ended', 'the server', how);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.destroy().finally(() => process.exit(130)));
  try {
    await server.up();
    return await soak(options, world);
  } finally {
    await server.destroy();
  }
}

async function soak({ seconds, tokenSeconds }: Options, world: World): Promise<number> {
  const make = (name: string, who: Principal, transports = ['websocket']): Renewed => new Renewed(name, who, world, tokenSeconds, transports);
  const author = make('author', service('author'));
  const log = new Log((await author.bus.publish('fence.raised', {})).offset);
  const people = [make('anna', user('anna', [], kConsume)), make('ben', user('ben', [], kConsume), ['polling']), make('carl', user('carl', [], kConsume), ['polling', 'websocket'])];
  const workers = [make('worker 0', service('worker')), make('worker 1', service('worker'))];
  const clients = [author, ...people, ...workers];
  const views = (await Promise.all(people.map((person) => watches(person, world)))).flat();
  const handled = new Map<string, string>();
  await Promise.all(workers.map((worker) => worker.bus.subscribe('job.*', (event, delivery) => work(world, worker, handled, event, delivery?.attempt ?? 0), { maxInFlight: 8 })));

  world.isWild = true;
  const began = now();
  let jobs = 0;
  const publishes: Promise<void>[] = [];
  for (let n = 0; now() < began + seconds * 1_000 && world.found.length === 0; ++n) {
    const [type, data] = eventOf(n);
    if (type === 'job.todo') ++jobs;
    publishes.push(publish(world, author, type, data, n));
    await pause(kEveryMs);
  }
  const took = Math.round((now() - began) / 1_000);
  await Promise.all(publishes);
  const fence = await author.bus.publish('fence.raised', {});
  await log.readOn(world.server, fence.id);
  const end = log.entries.at(-1)!.order;
  const judge = () => views.flatMap((view) => view.judge(log, end));
  await world.happenings.untilStill(() => handled.size === jobs && judge().length === 0, kStillMs);
  if (handled.size !== jobs) world.fault('not handled', 'the group', `${jobs} events were for it, and ${handled.size} were handled`);
  for (const { name, tokens } of clients) if (tokens < seconds / tokenSeconds && world.found.length === 0) world.fault('not renewed', name, `in ${took} s it asked for ${tokens} tokens, which last ${tokenSeconds} s`);
  world.isWild = false;
  await Promise.all(clients.map(({ bus }) => bus.close()));
  return report([...world.found, ...judge()], `${took} s with tokens of ${tokenSeconds} s: ${clients.length} clients asked for ${clients.reduce((sum, { tokens }) => sum + tokens, 0)} tokens, ${publishes.length} events`);
}

async function watches({ name, bus }: Renewed, world: World): Promise<View[]> {
  const views: View[] = [];
  const happened = <T extends View>(view: T): ((event: BusEvent) => void) => {
    views.push(view);
    return (event) => {
      view.hear(event);
      world.happenings.happened();
    };
  };
  for (const topic of [...kThings.slice(0, 2), 'thing.*']) {
    const view = new Watch(name, topic, `${name}'s subscription to ${topic}`);
    view.confirmed((await bus.subscribe(topic, happened(view))).offset);
  }
  for (const topic of ['note.sent', 'news.told']) {
    const view = new Own(name, topic, `${name}'s on(${topic})`, name, (id) => world.facts.get(id));
    bus.on(topic, happened(view));
    view.begin();
  }
  return views;
}

async function work(world: World, { name }: Renewed, handled: Map<string, string>, { id }: BusEvent, attempt: number): Promise<void> {
  const before = handled.get(id);
  if (before !== undefined || attempt !== 1) world.fault('handled twice', name, `${id} came with attempt ${attempt}, and ${before ?? 'nobody'} had it before`);
  handled.set(id, name);
  await pause(Math.random() * kWorkMs);
  world.happenings.happened();
}

async function publish(world: World, { name, bus }: Renewed, type: string, data: object, n: number): Promise<void> {
  const id = `event ${n}`;
  world.facts.set(id, { id, by: name, call: n, calledAt: now(), outcome: undefined });
  try {
    const { duplicate } = await bus.publish(type, data, { id });
    if (duplicate) world.fault('sent twice', name, `${id} had been stored when it was sent: a connection was lost`);
  } catch (thrown) {
    world.fault('refused', name, `${id} was refused: ${String(thrown)}`);
  }
}

function eventOf(n: number): [type: string, data: object] {
  switch (n % 5) {
    case 0: return ['job.todo', { n }];
    case 1: return ['note.sent', { user: ['anna', 'ben', 'carl'][n % 3], n }];
    case 2: return ['news.told', { n }];
    default: return ['thing.counted', { thing: String(n % kThings.length), n }];
  }
}

function report(found: readonly { readonly kind: string; readonly who: string; readonly text: string; readonly at: number }[], what: string): number {
  for (const { kind, who, text, at } of found.slice(0, 20)) console.log(`FAULT: ${kind}: ${who}, at ${Math.round(at)} ms: ${text}`);
  console.log(found.length === 0 ? `renewal: ${what}, no fault` : `renewal: FAILED, ${found.length} faults: ${what}`);
  return found.length === 0 ? 0 : 1;
}

function parse(args: string[]): Options {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string', default: '600' }, 'token-seconds': { type: 'string', default: '10' }, 'server-bin': { type: 'string' } } });
  const number = (text: string): number => {
    if (!/^\d{1,6}$/.test(text)) throw new Error(`a time must be a whole number of seconds, and not ${JSON.stringify(text)}`);
    return Number(text);
  };
  return { seconds: number(values.seconds), tokenSeconds: number(values['token-seconds']), binary: serverBinary(values['server-bin']) };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`renewal: ${(error as Error).message}\n${kUsage}`);
  process.exitCode = 2;
}
process.exit(); // a handler that is still at work does not keep the process
