import type { Bus } from './bus.js';
import type { Chance } from './chance.js';
import type { Surroundings } from './person.js';
import { kTypes, User } from './person.js';
import { Realm, World } from './world.js';

/** Who is there, and what may happen to them. */
export class Scene {
  readonly #users: User[] = [];
  readonly #bus: Bus;
  readonly #chance: Chance;
  readonly #tab: Map<string, string> | 'blocked';
  readonly #clientsOfPage: number;
  #names = 0;
  #page!: { realm: Realm; users: User[] };

  constructor(private readonly around: Surroundings) {
    this.#bus = around.bus;
    this.#chance = around.chance;
    this.#tab = this.#chance.is(0.1) ? 'blocked' : new Map();
    this.#clientsOfPage = this.#chance.weighted([[3, 1], [1, 2]]);
    for (const user of ['ann', 'bob']) for (const photoId of ['5', '6']) if (this.#chance.is(0.6)) this.#bus.store('service:outside', { type: 'photo.shared', data: { photoId, user } });
    this.#openPage('ann', [], true);
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

  #openPage(name: string, before: readonly User[], wasClean: boolean, tookOver = false): void {
    const realm = new Realm(`page${++this.#names}`, this.#tab);
    this.#page = { realm, users: [] };
    const heritages = before.map(({ client }) => this.around.witness.heritageOf(client, wasClean));
    const topics = before.map(({ ownWatches, planned }) => [...ownWatches.filter(({ isLocal }) => !isLocal).map(({ topic }) => topic), ...planned]);
    World.current.in(0, realm, () => {
      for (const at of Array.from({ length: this.#clientsOfPage }).keys()) {
        const heritage = heritages[at];
        const client = at === 0 ? realm.name : `${realm.name}b`;
        const user = new User(this.around, realm, { kind: 'user', name, client }, { keepsItsPlace: this.#tab !== 'blocked', tookOver, ...(heritage !== undefined && { heritage }) });
        this.#users.push(user);
        this.#page.users.push(user);
        if (this.#clientsOfPage > 1) user.client.bus.connect(); // the order of their first use tells them apart
        for (const topic of topics[at] ?? []) {
          if (this.#chance.is(0.9)) user.plan(topic, this.#chance.is(0.7) ? 0 : this.#chance.whole(1, 2_000));
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
    this.#openPage(next, goesOn ? users : [], isClean, next !== name);
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
