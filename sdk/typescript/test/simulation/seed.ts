import './globals.js';

import { Bus } from './bus.js';
import { Chance } from './chance.js';
import { Network } from './network.js';
import type { Manners, Surroundings } from './person.js';
import { kTypes, User } from './person.js';
import { Witness } from './witness.js';
import { Realm, World } from './world.js';

const kSubjects = ['photo:1', 'photo:2', 'photo:3', 'photo:5', 'photo:6'];
const kOverlapping = [...kSubjects, 'photo.changed', 'photo.*', '**'];
const kTopics = [kSubjects, ['photo.changed', 'photo.liked'], kOverlapping];

export interface Outcome {
  /** What was special in this seed. */
  readonly setting: string;
  readonly faults: readonly string[];
  readonly trace: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly virtualMs: number;
}

/** Runs one seed: people use the package for a while in a bad world, then all is calm, and it is judged. */
export async function runSeed(seed: number): Promise<Outcome> {
  const world = new World(seed);
  const chance = new Chance(seed, 'people');
  const busChance = new Chance(seed, 'bus');
  const rare = (probability: number, value: number) => (chance.is(probability) ? value : 0);

  const bus = new Bus(busChance, {
    recovery: !chance.is(0.1),
    maxPayload: chance.is(0.3) ? 4_000 : 1_000_000,
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    refused: rare(0.4, 0.1),
    unwelcome: rare(0.3, 0.2),
    forgotten: rare(0.4, 0.4),
    slow: chance.of([0.02, 0.1, 0.4]),
    slowMs: chance.of([100, 1_000, 12_000]),
    doubled: rare(0.2, 0.2),
    atOnce: chance.of([1, 4, 30]),
  });
  const stormy = { latencyMs: chance.of([1, 20, 200]), together: chance.of([0, 0.3, 0.9]), refused: rare(0.3, 0.3), swallowed: rare(0.1, 0.1) };
  world.network = new Network(new Chance(seed, 'network'), stormy, bus);
  const witness = new Witness(bus);
  const manners: Manners = {
    tokenMs: chance.is(0.3) ? chance.of([5_000, 20_000]) : undefined,
    tokenFails: rare(0.2, 0.4),
    tokenIsSlow: rare(0.3, 0.3),
    observersFail: 0.2,
    handlersFail: rare(0.4, 0.2),
    handlersPublish: rare(0.5, 0.5),
    handlersClose: rare(0.2, 0.05),
    handlersMs: chance.of([50, 500, 4_000]),
    repeatsMax: chance.is(0.3) ? 5 : undefined,
    topics: chance.of(kTopics),
    timeoutMs: chance.of([8_000, 30_000]),
  };
  const around: Surroundings = { bus, chance, witness, manners };
  const scene = new Scene(around);

  const lastsMs = chance.of([5_000, 20_000, 40_000]);
  for (let actions = chance.whole(20, 70), at = 0; actions > 0; --actions) {
    // Some of what happens, happens at once.
    if (chance.is(0.7)) at = chance.whole(0, lastsMs);
    world.in(at, undefined, () => scene.happen());
  }
  await world.run(lastsMs);

  world.say('calm');
  world.network.weather = { latencyMs: 5, together: stormy.together, refused: 0, swallowed: 0 };
  Object.assign(bus.habits, { refused: 0, unwelcome: 0, forgotten: 0, slow: 0, doubled: 0 });
  Object.assign(manners, { tokenFails: 0, tokenIsSlow: 0, handlersFail: 0, handlersClose: 0, handlersMs: 0 });
  bus.distrusted.clear();
  scene.calm();
  await world.run(world.now + 30_000);
  witness.calm();
  await world.run(world.now + 120_000);
  scene.probe();
  await world.run(world.now + 10_000);
  // One whose token has just ended is on its way back.
  await world.run(world.now + 15_000, () => witness.isLive());
  witness.judge();

  world.say('the end');
  scene.closeAll();
  await world.run(world.now + 60_000);
  witness.judgeClosed();
  const setting = [manners.topics === kOverlapping && 'overlapping topics', !bus.habits.recovery && 'no recovery', manners.repeatsMax !== undefined && 'few repeats', manners.tokenMs !== undefined && 'short tokens'].filter((word) => word !== false).join(', ') || 'usual';
  return { setting, faults: world.faults, trace: world.trace, counts: witness.counts, virtualMs: world.now };
}

/** Who is there, and what may happen to them. */
class Scene {
  readonly #users: User[] = [];
  readonly #bus: Bus;
  readonly #chance: Chance;
  readonly #tab: Map<string, string> | 'blocked';
  readonly #clientsOfPage: number;
  #names = 0;
  #page!: { realm: Realm; users: User[] };

  constructor(
    private readonly around: Surroundings,
  ) {
    this.#bus = around.bus;
    this.#chance = around.chance;
    this.#tab = this.#chance.is(0.1) ? 'blocked' : new Map();
    this.#clientsOfPage = this.#chance.weighted([[3, 1], [1, 2]]);
    for (const user of ['ann', 'bob']) for (const photoId of ['5', '6']) if (this.#chance.is(0.6)) this.#bus.store('service:outside', { type: 'photo.shared', data: { photoId, user } });
    this.#openPage('ann', []);
    this.#start('api');
    if (this.#chance.is(0.7)) this.#start('worker');
  }

  happen(): void {
    this.#chance.weighted<() => void>([
      [30, () => this.#userActs()],
      [25, () => this.#storeSome()],
      [8, () => this.#cutOne()],
      [1, () => this.#bus.isUp && this.#bus.kill(this.#chance.whole(100, 5_000), this.#chance.is(0.2))],
      [6, () => this.#changeRight()],
      [3, () => this.#reload()],
      [2, () => this.#serviceEnds()],
      [0.7, () => this.#signOut()],
      [0.5, () => this.#distrust()],
      [0.5, () => this.#comesOnline()],
    ])();
  }

  /** Something for everybody, which all that is still there has to get. */
  probe(): void {
    this.around.witness.probing();
    for (let photo = 1; photo <= 6; ++photo) this.#bus.store('service:outside', { type: 'photo.changed', data: { photoId: String(photo) } });
    this.#bus.store('service:outside', { type: 'mail.sent', data: { to: 'ann' } });
  }

  /** What had been amiss is well again. */
  calm(): void {
    for (const user of this.#users) World.current.in(0, user.client.realm, () => user.canAct && user.signIn());
  }

  closeAll(): void {
    for (const user of this.#users) if (user.client.realm.isAlive) World.current.in(0, user.client.realm, () => void user.close());
  }

  #start(name: string): void {
    const realm = new Realm(`${name}${++this.#names}`);
    World.current.in(0, realm, () => void this.#users.push(new User(this.around, realm, { kind: 'service', name, client: realm.name }, { keepsItsPlace: false })));
  }

  // ---- the tab ------------------------------------------------------------------------------------

  #openPage(name: string, before: readonly User[]): void {
    const realm = new Realm(`page${++this.#names}`, this.#tab);
    this.#page = { realm, users: [] };
    const heritages = before.map(({ client }) => this.around.witness.heritageOf(client));
    const topics = before.map(({ ownWatches }) => new Set(ownWatches.filter(({ isLocal }) => !isLocal).map(({ topic }) => topic)));
    World.current.in(0, realm, () => {
      for (const at of Array.from({ length: this.#clientsOfPage }).keys()) {
        const heritage = heritages[at];
        const client = at === 0 ? realm.name : `${realm.name}b`;
        const user = new User(this.around, realm, { kind: 'user', name, client }, { keepsItsPlace: this.#tab !== 'blocked', ...(heritage !== undefined && { heritage }) });
        this.#users.push(user);
        this.#page.users.push(user);
        if (this.#clientsOfPage > 1) user.client.bus.connect(); // the order of their first use tells them apart
        for (const topic of topics[at] ?? []) {
          if (this.#chance.is(0.9)) World.current.in(this.#chance.is(0.7) ? 0 : this.#chance.whole(1, 2_000), realm, () => user.canAct && void user.subscribe(topic));
        }
      }
    });
  }

  #reload(): void {
    const { realm, users } = this.#page;
    if (users.length === 0) return; // it is still being loaded
    const isClean = this.#chance.is(0.7);
    this.around.witness.count('reloads');
    if (isClean) World.current.as(realm, () => realm.dispatch('pagehide'));
    this.#kill(realm);
    const { name } = users[0]!.client.person;
    const next = this.#chance.is(0.15) ? (name === 'ann' ? 'bob' : 'ann') : name;
    const goesOn = next === name && users.every(({ client }) => client.closesAt === undefined);
    this.#openPage(next, goesOn ? users : []);
  }

  // ---- what users do ------------------------------------------------------------------------------

  #userActs(): void {
    const users = this.#users.filter(({ canAct }) => canAct);
    if (users.length === 0) return;
    const user = this.#chance.of(users);
    World.current.in(0, user.client.realm, () => {
      if (!user.canAct) return;
      for (let times = this.#chance.weighted([[6, 1], [2, 2], [1, 4]]); times > 0; --times) this.#actsAs(user);
    });
  }

  #actsAs(user: User): void {
    const { kind, name } = user.client.person;
    this.#chance.weighted<() => void>([
      [5, () => this.#subscribes(user)],
      [2, () => user.confirmedWatches.length > 0 && user.unsubscribe(this.#chance.of(user.confirmedWatches))],
      [1, () => user.confirmedMembers.length > 0 && user.leave(this.#chance.of(user.confirmedMembers))],
      [1, () => void user.listen(this.#chance.of(['mail.sent', 'photo.changed', '**']))],
      [3, () => void user.publish(this.#chance.of([1, 1, 1, 2, 5]))],
      [kind === 'service' && name === 'worker' ? 6 : 0, () => user.work(this.#chance.of(['photo.changed', 'photo.*']), this.#chance.of([undefined, 'worker', 'other']), user.maxInFlight)],
      [0.5, () => void user.publish(1, false, 3_000)],
    ])();
  }

  #subscribes(user: User): void {
    const { chance, bus } = this.around;
    const isService = user.client.person.kind === 'service';
    const since = chance.weighted<() => string | undefined>([
      [6, () => undefined],
      [3, () => bus.log.offsetAt(chance.whole(Math.max(0, bus.log.end - chance.of([3, 10, 60])), bus.log.end))],
      [0.5, () => 'nonsense'],
    ])();
    const topic = user.topic();
    user.subscribe(topic, {
      ...(since !== undefined && { since }),
      ...(isService && !topic.includes(':') && { group: null }),
      ...(chance.is(0.1) && { aborts: true }),
      ...(chance.is(0.1) && { timeoutMs: chance.whole(1, 3_000) }),
    });
  }

  // It is stopped, or killed; another process may take its place.
  #serviceEnds(): void {
    const services = this.#users.filter(({ canAct, client }) => canAct && client.person.kind === 'service');
    if (services.length === 0) return;
    const service = this.#chance.of(services);
    const { client } = service;
    if (this.#chance.is(0.6)) {
      World.current.in(0, client.realm, () => {
        if (service.canAct) void service.close();
      });
      if (this.#chance.is(0.3)) World.current.in(this.#chance.whole(0, 2_000), client.realm, () => void service.close(0));
    } else this.#kill(client.realm);
    if (this.#chance.is(0.7)) this.#start(client.person.name);
  }

  #kill(realm: Realm): void {
    World.current.say(`${realm.name} is killed`);
    realm.isAlive = false;
    for (const link of [...World.current.network.links]) if (link.realm === realm) link.leave();
  }

  #signOut(): void {
    for (const user of this.#page.users) {
      World.current.in(0, user.client.realm, () => user.canAct && user.signOut());
      World.current.in(this.#chance.whole(100, 10_000), user.client.realm, () => user.canAct && user.signIn());
    }
  }

  #comesOnline(): void {
    World.current.say(`${this.#page.realm.name} comes online`);
    World.current.as(this.#page.realm, () => this.#page.realm.dispatch('online'));
  }

  // The bus does not trust the tokens of somebody for a while.
  #distrust(): void {
    const { client } = this.#chance.of(this.#users).client.person;
    this.#bus.distrusted.add(client);
    World.current.in(this.#chance.whole(1_000, 8_000), undefined, () => this.#bus.distrusted.delete(client));
  }

  // ---- what happens to them -----------------------------------------------------------------------

  #storeSome(): void {
    for (let count = this.#chance.weighted([[5, 1], [3, 3], [1, 20]]); count > 0; --count) {
      if (this.#chance.is(0.2)) this.#bus.store('service:outside', { type: 'mail.sent', data: { to: this.#chance.of(['ann', 'bob']) } });
      else this.#bus.store('service:outside', { type: this.#chance.of(kTypes), data: { photoId: String(this.#chance.whole(1, 6)) } });
    }
  }

  #changeRight(): void {
    const type = this.#chance.is(0.65) ? 'photo.shared' : 'photo.unshared';
    this.#bus.store('service:outside', { type, data: { photoId: this.#chance.of(['5', '6']), user: this.#chance.of(['ann', 'bob']) } });
  }

  #cutOne(): void {
    const links = [...World.current.network.links];
    if (links.length > 0) this.#chance.of(links).cut();
    this.around.witness.count('cuts');
  }
}
