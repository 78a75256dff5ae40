// Rounds: some seconds in which clients act and their lines misbehave, then fair weather, and what came is judged.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Chance } from '../chance.ts';
import { Happenings, now, pause } from '../moments.ts';
import { BusServer } from '../server.ts';
import { service, tokenOf, user } from '../tokens.ts';
import { kCatalog, kConsume } from './catalog.ts';
import { Author, Client } from './client.ts';
import { Group, kNotHandled } from './groups.ts';
import { Log } from './log.ts';
import type { Options } from './options.ts';
import type { Fact, Fault } from './world.ts';
import { World } from './world.ts';

const kUsers = ['anna', 'ben', 'carl', 'dora'];
// Of sessions: for a day, hardly over a drop, or none at all.
const kMemories: readonly Readonly<Record<string, string>>[] = [{}, {}, { session_ttl: '1s' }, { recovery: 'false' }];
const kStillMs = 35_000; // longer than any deadline of the package's
const kLateMs = 12_000; // then nothing more will come by itself
const kGroupsMs = 70_000; // longer than the longest back-off of a group
const kStoriesMax = 6;
const kLinesMax = 70; // of a story

export class Run {
  readonly #options: Options;
  readonly #chance: Chance;
  readonly #world: World;
  readonly #clients: Client[] = [];
  readonly #groups: Group[];
  #log: Log | undefined;
  #rounds = 0;
  #waitedFor = '';

  constructor(options: Options) {
    this.#options = options;
    this.#chance = new Chance(options.seed, 'proxy');
    const chance = this.#chance.child('settings');
    // A server that looks for dead clients often: a half-open connection is found out within a round.
    const settings = { jwt_clock_skew: '0s', reactors: String(chance.between(1, 2)), ping_interval: '1500ms', ping_timeout: '1500ms', group_ack_wait: chance.pick(['30s', '4s']), coalesce: chance.pick(['0ms', '0ms', '20ms']), ...chance.pick(kMemories) };
    const server = new BusServer(options.binary, settings, false, () => kCatalog);
    this.#world = new World(server, new Happenings(), options.without);
    this.#groups = [new Group('worker', 'job.*'), new Group('worker', 'job.todo'), new Group('helper', 'job.todo')];
    server.onUnexpectedEnd = (how) => this.#world.fault('server ended', 'the server', how);
  }

  async begin(): Promise<void> {
    const { server } = this.#world;
    console.log(`proxy: seed ${this.#options.seed}, ${JSON.stringify(server.settings)}`);
    await server.up();
    this.#log = new Log((await this.#fence()).offset);
    const client = (name: string, make: (chance: Chance) => Client): number => this.#clients.push(make(this.#chance.child(name)));
    const [jobs, todo, help] = this.#groups as [Group, Group, Group];
    for (const name of kUsers) client(name, (chance) => new Client(name, user(name, [], kConsume), this.#world, chance, ['websocket']));
    client('anna by polling', (chance) => new Client('anna by polling', user('anna', [], kConsume), this.#world, chance, ['polling']));
    client('ben by both', (chance) => new Client('ben by both', user('ben', [], kConsume), this.#world, chance, ['polling', 'websocket']));
    for (const at of [0, 1]) client(`worker ${at}`, (chance) => new Client(`worker ${at}`, service('worker'), this.#world, chance, ['websocket'], [jobs, todo]));
    client('helper', (chance) => new Client('helper', service('helper'), this.#world, chance, ['websocket'], [help]));
    for (const at of [0, 1]) client(`author ${at}`, (chance) => new Author(`author ${at}`, service('author'), this.#world, chance, kUsers));
    await Promise.all(this.#clients.map((one) => one.begin()));
  }

  /** False: there was a fault, and it has been told. */
  async round(): Promise<boolean> {
    ++this.#rounds;
    const { happenings } = this.#world;
    const chance = this.#chance.child(`round ${this.#rounds}`);
    this.#world.isWild = true;
    for (const client of this.#clients) client.isFair = chance.yes(0.1);
    const actors = this.#clients.map((client) => this.#actor(client, chance.child(client.name)));
    await happenings.until(() => this.#world.found.length > 0, chance.between(4_000, 7_000));
    this.#world.isWild = false;
    await Promise.all(actors);
    const wildUntil = now();
    const found = await this.#judge();
    if (this.#options.isVerbose) console.log(`round ${this.#rounds}: ${Math.round(now() - wildUntil)} ms to settle; ${this.#waitedFor}`);
    return this.#report(found);
  }

  end(): number {
    console.log(`proxy: seed ${this.#options.seed}: ${this.#rounds} rounds, ${this.#world.events} events, no fault`);
    return 0;
  }

  async destroy(): Promise<void> {
    const { traces } = this.#options;
    if (traces !== undefined) {
      mkdirSync(traces, { recursive: true });
      for (const { name, lines } of this.#clients) writeFileSync(join(traces, `${name.replaceAll(' ', '-')}.trace`), lines.map(printed).join('\n'));
    }
    await Promise.race([Promise.all(this.#clients.map((client) => client.close())), pause(2_000)]);
    await this.#world.server.destroy();
  }

  async #actor(client: Client, chance: Chance): Promise<void> {
    while (this.#world.isWild) {
      await client.act();
      await pause(chance.between(5, 250));
    }
  }

  // --- The check ----------------------------------------------------------------------------------------------

  async #judge(): Promise<readonly Fault[]> {
    const { happenings, found, pending, server } = this.#world;
    for (const client of this.#clients) client.isFair = true;
    const hasEnded = (): boolean => found.some(({ kind }) => kind === 'server ended');
    await Promise.race([Promise.all(this.#clients.map((client) => client.settle())), pause(kStillMs)]);
    if (!(await happenings.untilStill(() => hasEnded() || pending.size === 0, kStillMs))) {
      for (const what of [...pending.values()].slice(0, 5)) this.#world.fault('no end', what.replace(/'s .*|.* (of|by) /, ''), `${what} has not settled, and nothing has happened for ${kStillMs} ms`, '===');
    }
    const settledAt = now();
    await happenings.untilStill(() => hasEnded() || this.#clients.every(({ isLive }) => isLive), kLateMs);
    const liveAt = now();
    if (hasEnded()) return found;
    for (const client of this.#clients) if (!client.isLive) this.#world.fault('not live', client.name, `at rest its state is ${client.status}`, '===');

    const log = this.#log!;
    const fence = await this.#fence();
    await log.readOn(server, fence.id);
    const end = log.entries.at(-1)!.order;
    const judge = (): Fault[] => [...this.#clients.flatMap(({ views }) => views).flatMap((view) => view.judge(log, end)), ...this.#groups.flatMap((group) => group.judge(log, end))];
    let judged = judge();
    const waits = (): boolean => judged.some(({ mayStillCome }) => mayStillCome === true);
    const isOfGroups = (): boolean => judged.every(({ kind }) => kind === kNotHandled);
    const look = (): boolean => ((judged = judge()), !waits());
    await happenings.untilStill(look, kLateMs);
    // A round that has failed already does not wait for the longest back-off of a group.
    if (found.length === 0 && waits() && isOfGroups()) await happenings.untilStill(look, kGroupsMs);
    this.#waitedFor = `the last promise, ${this.#world.settledLast}, settled at ${Math.round(settledAt)} ms; live at ${Math.round(liveAt)}; all had come at ${Math.round(now())}`;
    const all = [...found, ...judged, ...this.#publishes(log)];
    for (const client of this.#clients) client.forget(end);
    for (const group of this.#groups) group.forget(end);
    return all;
  }

  // What was promised is stored once, where the publisher was told, and in the order of one client's calls.
  #publishes(log: Log): Fault[] {
    const { facts } = this.#world;
    const faults: Fault[] = [];
    const fault = (kind: string, { id, by }: Fact, text: string): void => void faults.push({ kind, who: by.replace(/ \(.*/, ''), text, at: now(), words: [id] });
    const last = new Map<string, { readonly fact: Fact; readonly order: number }>();
    for (const fact of facts.values()) {
      const stored = log.byId.get(fact.id) ?? [];
      if (stored.length > 1) fault('stored twice', fact, `${fact.id} is stored at ${stored.map(({ offset }) => offset).join(', ')}`);
      if (fact.outcome === undefined || !('offset' in fact.outcome)) continue; // it may be stored, at any place
      const [entry] = stored;
      if (entry?.offset !== fact.outcome.offset) fault('not stored', fact, `${fact.id} was acknowledged with ${fact.outcome.offset}, and is stored ${entry === undefined ? 'nowhere' : `at ${entry.offset}`}`);
      if (entry === undefined) continue;
      const before = last.get(fact.by);
      if (before !== undefined && before.order > entry.order) fault('stored out of order', fact, `${fact.id} (call ${fact.call}) is stored at ${entry.order}, and ${before.fact.id} (call ${before.fact.call}), which was called before it, at ${before.order}`);
      else last.set(fact.by, { fact, order: entry.order });
    }
    facts.clear();
    return faults;
  }

  async #fence(): Promise<{ readonly id: string; readonly offset: string }> {
    const headers = { authorization: `Bearer ${tokenOf(service('fences'))}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.#world.server.url}/v1/events`, { method: 'POST', headers, body: JSON.stringify({ type: 'fence.raised', data: {} }) });
    if (!response.ok) throw new Error(`the fence was answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as { id: string; offset: string };
  }

  // One story of each kind, and how many there are of it.
  #report(found: readonly Fault[]): boolean {
    if (found.length === 0) return true;
    const { seed, seconds, binary, without } = this.#options;
    const kinds = new Map<string, Fault[]>();
    for (const fault of found) kinds.set(fault.kind, [...(kinds.get(fault.kind) ?? []), fault]);
    for (const [kind, list] of [...kinds].slice(0, kStoriesMax)) {
      console.log(`\nFAULT: ${kind} (${list.length} of this kind, among ${new Set(list.map(({ who }) => who)).size} clients)`);
      for (const { who, text } of list.slice(0, 4)) console.log(`  ${who}: ${text}`);
      console.log(this.#storyOf(list[0]!));
    }
    if (kinds.has('server ended')) console.log(`\nThe server's last words:\n${this.#world.server.lastWords()}`);
    console.log(`\nproxy: FAILED with seed ${seed} after ${Math.round(now() / 1_000)} s, in round ${this.#rounds}: ${[...kinds].map(([kind, list]) => `${kind} ${list.length}`).join(', ')}`);
    const left = without.length === 0 ? '' : ` --without ${without.join(',')}`;
    console.log(`Once more: tests/chaos/proxy --seed ${seed} --seconds ${seconds}${left} --server-bin ${binary}`);
    return false;
  }

  // What the client of a fault said, saw and suffered that has to do with it.
  #storyOf({ who, words, at }: Fault): string {
    const concerned = this.#clients.filter(({ name, groups }) => name === who || groups.some((group) => group.who === who));
    const isOne = concerned.length === 1;
    const lines = concerned.flatMap(({ name, lines }) => (isOne ? lines : lines.map((line) => ({ at: line.at, text: `${name}: ${line.text}` })))).sort((one, other) => one.at - other.at);
    const isTold = (text: string): boolean => words.some((word) => text.includes(word)) || /(^|: |^\d+ )(===|---)|[<>] 4[0-4][^0-9[]|"(resume|watch|token)\./.test(text);
    const told = lines.filter((line) => line.at <= at && isTold(line.text));
    const firstAt = told.findIndex(({ text }) => words[0] !== undefined && text.includes(words[0]));
    const from = firstAt < 0 ? Math.max(0, told.length - kLinesMax) : Math.max(0, firstAt - kLinesMax / 2);
    return told.slice(from, from + kLinesMax).map(printed).join('\n');
  }
}

const printed = ({ at, text }: { readonly at: number; readonly text: string }): string => `  ${at.toFixed(0).padStart(7)} ${text}`;
