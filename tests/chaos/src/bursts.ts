// What publishers do: bursts about photos, changes of owners and grants, work for groups.
import type { Chance } from './chance.ts';
import type { Act } from './devices/device.ts';
import { actOf } from './devices/device.ts';
import { PlainDevice } from './devices/plain.ts';
import type { Fact } from './model/ledger.ts';
import { pause } from './moments.ts';
import { kRoles, kTwins, kUsers } from './population.ts';
import type { Manner, Publisher } from './publishers.ts';
import type { World } from './world.ts';

const kManners: readonly Manner[] = ['list', 'each', 'socket', 'sdk'];
const kPeople = kUsers.map(({ name }) => name);
const kHeavyBytes = 90_000;

export class Bursts {
  readonly #world: World;
  readonly #publisher: Publisher;
  readonly #chance: Chance;
  readonly #pad: string;
  #fresh = 0;

  constructor(world: World, publisher: Publisher, chance: Chance) {
    this.#world = world;
    this.#publisher = publisher;
    this.#chance = chance;
    this.#pad = Array.from({ length: kHeavyBytes / 10 }, () => chance.next().toString(36).slice(2, 12).padEnd(10, 'x')).join('');
  }

  /** One of the things that publishers do. */
  one(): Promise<void> {
    const acts: readonly Act[] = [
      ['photos', 45, () => this.#aboutAPhoto()],
      ['changes', 18, () => this.#aChange()],
      ['people', 10, () => this.#forPeople()],
      ['work', 15, () => this.#work()],
      ['storm', 2, () => this.#muchWork()],
      ['heavy', 2, () => this.#heavyWork()],
      ['rights', 5, () => this.#rightsInTheMiddle()],
      ['brief', 3, () => this.#send([this.#fact('brief.lived', {})], 'each')],
    ];
    return actOf(acts, this.#chance, this.#world.isAllowed);
  }

  /** Durable events about a photo that do not wait for each other. */
  burst(photo: string): void {
    const facts = Array.from({ length: this.#chance.between(8, 24) }, () => this.#about(photo, this.#chance.pick(['photo.note', 'photo.draft'])));
    void this.#publisher.publish(facts, 'socket');
  }

  note(user: string): string {
    const fact = this.#fact('note.personal', { user });
    void this.#publisher.publish([fact], 'each');
    return fact.id;
  }

  /** The photos of a round: some of the run's own, some that are new. */
  async photos(old: readonly string[], count: number): Promise<string[]> {
    const photos = Array.from({ length: count }, () => `${this.#world.ledger.branch}-${++this.#fresh}-${this.#chance.below(1e6)}`);
    await this.#send(photos.map((photo) => this.#fact('photo.uploaded', { photo, user: this.#chance.pick(kPeople) })), 'list');
    return [...old, ...photos];
  }

  #fact(type: string, data: Fact['data']): Fact {
    return this.#publisher.fact(type, data);
  }

  #about(photo: string, type: string): Fact {
    return this.#fact(type, { photo, secret: this.#chance.below(1e9) });
  }

  #send(facts: Fact[], manner: Manner): Promise<void> {
    return this.#publisher.publish(facts, manner);
  }

  get #photo(): string {
    return this.#chance.pick(this.#world.photos);
  }

  #aboutAPhoto(): Promise<void> {
    const photo = this.#photo;
    const types = this.#chance.pick([['photo.note'], ['photo.draft'], ['photo.note', 'photo.draft', 'photo.pulse', 'photo.tick'], ['photo.pulse', 'photo.tick']]);
    return this.#send(Array.from({ length: this.#chance.between(1, 30) }, () => this.#about(photo, this.#chance.pick(types))), this.#chance.pick(kManners));
  }

  #aChange(): Promise<void> {
    const photo = this.#photo;
    const type = this.#chance.pick(['photo.moved', 'photo.shared', 'photo.shared', 'photo.unshared', 'photo.opened', 'photo.opened', 'photo.closed']);
    const change = this.#fact(type, /opened|closed/.test(type) ? { photo, role: this.#chance.pick(kRoles) } : { photo, user: this.#chance.pick(kPeople) });
    const around = (): Fact[] => Array.from({ length: this.#chance.between(0, 6) }, () => this.#about(photo, 'photo.note'));
    return this.#send([...around(), change, ...around()], this.#chance.pick(kManners));
  }

  #forPeople(): Promise<void> {
    const people = [...kPeople, ...kTwins.map(({ name }) => name)];
    const facts = Array.from({ length: this.#chance.between(1, 12) }, () => (this.#chance.yes(0.7) ? this.#fact('note.personal', { user: this.#chance.pick(people) }) : this.#fact('note.team', { role: this.#chance.pick(kRoles) })));
    return this.#send(facts, this.#chance.pick(kManners));
  }

  #work(): Promise<void> {
    const facts = Array.from({ length: this.#chance.between(1, 40) }, (_, n) => this.#fact(this.#chance.yes(0.6) ? 'job.todo' : 'job.tick', { n }));
    return this.#send(facts, this.#chance.pick(kManners));
  }

  // More than the members of a group take at once.
  async #muchWork(): Promise<void> {
    for (let list = 0; list < 4; ++list) await this.#send(Array.from({ length: 100 }, (_, n) => this.#fact('job.tick', { n })), 'list');
  }

  // More bytes than a member's queue holds, in fewer events than it takes at once.
  async #heavyWork(): Promise<void> {
    await Promise.all(Array.from({ length: 8 }, () => this.#send(Array.from({ length: 10 }, (_, n) => this.#fact('job.todo', { n, pad: this.#pad })), 'list')));
  }

  // Somebody with two rights asks for the past of a photo, or comes back to it, and loses one of them while it comes.
  async #rightsInTheMiddle(): Promise<void> {
    const { devices } = this.#world;
    const candidates = devices.filter((device): device is PlainDevice => device instanceof PlainDevice && device.who.roles.some((role) => kRoles.includes(role)));
    const device = this.#chance.pick(candidates);
    const photo = this.#photo;
    const topic = `photo:${photo}`;
    const role = device.who.roles.find((name) => kRoles.includes(name))!;
    const rights = [this.#fact('photo.opened', { photo, role }), this.#fact('photo.shared', { photo, user: device.who.name })];
    if (this.#chance.yes(0.5)) rights.reverse();
    const comesBack = this.#chance.yes(0.5);
    await this.#send([rights[0]!], 'each');
    if (comesBack) {
      device.ask('subscribe', topic);
      await this.#world.happenings.until(() => device.isSettled, 1_000);
      device.line.refuse();
      device.line.cut();
    }
    const notes = (): Promise<void> => this.#send(Array.from({ length: 100 }, () => this.#about(photo, 'photo.note')), 'list');
    await notes();
    await this.#send([rights[1]!], 'each');
    for (let list = 0; list < 6; ++list) await notes();
    if (comesBack) {
      device.line.heal();
      await this.#world.happenings.until(() => device.isConnected, 3_000);
    } else {
      device.ask('unsubscribe', topic);
      device.ask('subscribe', topic, rights[0]! as { offset: string; order: number });
    }
    await pause(this.#chance.between(0, 12));
    const end = this.#chance.yes(0.5) ? this.#fact('photo.closed', { photo, role }) : this.#fact('photo.unshared', { photo, user: device.who.name });
    await this.#send([end], 'each');
  }
}
