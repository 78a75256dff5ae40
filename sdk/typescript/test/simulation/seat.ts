import { coversEvent, isSubject } from '../../src/topic.js';
import type { Bus, Json, Refusal } from './bus.js';
import { metaOf } from './groups.js';
import type { Entry } from './log.js';
import type { Link } from './network.js';
import type { Token } from './tokens.js';
import { principalOf, readToken } from './tokens.js';
import { World } from './world.js';

/** A topic that a session is in. */
interface Joined {
  at: number; // entries behind it come in order
  owedAfter: number | undefined; // a history that may not have arrived
  historyBehind: number | undefined; // the last entry in order that was sent before the end of that history
}

/** Something that is told again until it has arrived. */
interface Notice {
  readonly topic: string;
  readonly name: string;
  readonly body: Json;
  readonly behind: number; // the last entry in order that was sent before it
}

/** What the bus keeps of a client over a drop. */
export interface Session {
  readonly pid: string;
  readonly sid: string;
  readonly person: string;
  readonly topics: Map<string, Joined>;
  notices: Notice[];
  startedAt: number;
  given: number; // the last entry in order that was ever sent
  clear: number; // up to here nothing is owed
  offsetBefore: string | undefined; // what it showed of an earlier session says nothing of this one
  seat: Seat | undefined;
}

interface History {
  readonly topic: string;
  at: number;
  readonly until: number;
}

const kHour = 3_600_000;

/** A client that has signed in: its rooms, and what it has been sent (docs/wire.md). */
export class Seat {
  isOpen = true;
  readonly #histories: History[] = [];
  readonly #lines = new Map<string, number>(); // until when changes of a topic are under way
  #place: number; // everything in order up to here has been sent
  #caughtUpAt: number | undefined;
  #missed = 0;
  #isAwake = false;
  #proofs: { historiesOf: string[]; notices: Notice[] } | undefined;
  #expires: object = {};

  private constructor(
    private readonly bus: Bus,
    private readonly link: Link,
    private token: Token,
    private readonly session: Session,
    private readonly wants: { readonly place: boolean; readonly refresh: boolean },
    place: number,
  ) {
    this.#place = place;
  }

  /** Signs somebody in. */
  static take(bus: Bus, link: Link, token: Token, auth: Json): Seat {
    const { log, chance } = bus;
    const person = `${token.kind}:${token.name}`;
    const topics = Array.isArray(auth.topics) ? (auth.topics as string[]) : [];
    const since = typeof auth.since === 'string' ? log.positionOf(auth.since) : undefined;
    const isSinceUnknown = typeof auth.since === 'string' && since === undefined;

    let known = bus.habits.recovery && typeof auth.pid === 'string' ? bus.sessions.get(auth.pid) : undefined;
    if (known !== undefined && (known.person !== person || chance.is(bus.habits.forgotten))) {
      if (known.person === person) bus.sessions.delete(known.pid);
      known = undefined;
    }
    const shown = typeof auth.offset === 'string' && auth.offset !== known?.offsetBefore ? auth.offset : undefined;
    const offset = shown === undefined ? undefined : log.positionOf(shown);
    known?.seat?.takenOver();

    const session: Session = known ?? {
      pid: bus.name('pid'),
      sid: bus.name('sid'),
      person,
      topics: new Map(),
      notices: [],
      startedAt: since ?? log.end,
      given: since ?? log.end,
      clear: since ?? log.end,
      offsetBefore: typeof auth.offset === 'string' ? auth.offset : undefined,
      seat: undefined,
    };
    let place = session.startedAt;
    if (known !== undefined) {
      place = Math.max(offset ?? known.startedAt, known.startedAt);
      if (shown !== undefined && offset === undefined) place = known.clear;
      else if (place >= known.given) place = Math.max(place, known.clear);
      known.given = Math.max(known.given, offset ?? 0);
    }
    const seat = new Seat(bus, link, token, session, { place: auth.place === true, refresh: auth.refresh === true }, place);
    session.seat = seat;
    if (bus.habits.recovery) bus.sessions.set(session.pid, session);
    bus.seats.add(seat);
    link.down(`40${JSON.stringify({ sid: session.sid, ...(bus.habits.recovery && { pid: session.pid }) })}`);

    const to = log.offsetAt(place);
    const unknown = (code: string) => {
      seat.emit('resume.unknown', { code, reason: 'It is not known.', to });
      bus.tell({ client: token.client, what: 'gap', code });
    };
    if (typeof auth.pid === 'string' && known === undefined && bus.habits.recovery) unknown('session');
    if (known !== undefined && shown !== undefined && offset === undefined) {
      unknown('offset');
      session.offsetBefore = shown;
    }
    const isNotHeld = topics.some((topic) => !session.topics.has(topic));
    if (isSinceUnknown && (known === undefined || isNotHeld)) unknown('since');

    seat.#tellAgain(offset);
    if (known !== undefined) seat.#askAgainForRights();
    for (const topic of topics) if (!session.topics.has(topic)) seat.#enterAtConnect(topic, since, known !== undefined);
    for (const [topic, joined] of session.topics) {
      if (offset !== undefined && joined.historyBehind !== undefined && offset > joined.historyBehind) joined.owedAfter = joined.historyBehind = undefined;
      if (joined.owedAfter !== undefined) seat.#beginHistory(topic, joined.owedAfter);
    }
    if (known !== undefined || since !== undefined || seat.wants.place) seat.#caughtUpAt = log.end;
    seat.#watchToken();
    seat.wake();
    return seat;
  }

  get client(): string {
    return this.token.client;
  }

  emit(...args: unknown[]): void {
    this.link.down(frameOf(...args));
  }

  /** The connection is over; `isLeft`: the client said goodbye. */
  end(isLeft: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.bus.seats.delete(this);
    this.bus.groups.remove(this);
    if (this.session.seat === this) this.session.seat = undefined;
    if (isLeft) this.bus.sessions.delete(this.session.pid);
  }

  takenOver(): void {
    this.end(false);
    this.link.close(1001);
  }

  // ---- what it proves -----------------------------------------------------------------------------

  pinged(): void {
    const { topics, notices } = this.session;
    this.#proofs = { historiesOf: [...topics].filter(([, { historyBehind }]) => historyBehind !== undefined).map(([topic]) => topic), notices: [...notices] };
  }

  ponged(): void {
    const { topics } = this.session;
    for (const topic of this.#proofs?.historiesOf ?? []) {
      const joined = topics.get(topic);
      if (joined?.historyBehind !== undefined) joined.owedAfter = joined.historyBehind = undefined;
    }
    this.session.notices = this.session.notices.filter((notice) => !this.#proofs?.notices.includes(notice));
    this.#proofs = undefined;
  }

  #notice(topic: string, name: string, body: Json): void {
    this.session.notices.push({ topic, name, body, behind: this.session.given });
    this.#tell(topic, name, body);
  }

  #tell(topic: string, name: string, body: Json): void {
    this.emit(name, body);
    this.bus.tell({ client: this.token.client, what: name === 'watch.ended' ? 'ended' : 'gap', topic, code: String(body.code) });
  }

  #tellAgain(offset: number | undefined): void {
    const { session } = this;
    session.notices = session.notices.filter(({ behind }) => offset === undefined || offset <= behind);
    for (const { topic, name, body } of session.notices) this.#tell(topic, name, body);
  }

  // ---- rights -------------------------------------------------------------------------------------

  // From where on it may see what `topic` brings; a refusal: it may not.
  #right(topic: string): number | Refusal {
    const { kind, name } = this.token;
    if (kind === 'service') return 0;
    if (!isSubject(topic)) return name === 'carl' ? { code: 'forbidden', message: 'Users like this one watch no types.' } : 0;
    return this.bus.log.rightSince(name, topic) ?? { code: 'forbidden', message: `You may not watch ${topic}.` };
  }

  #askAgainForRights(): void {
    for (const [topic, joined] of this.session.topics) {
      const right = this.#right(topic);
      if (typeof right !== 'number') this.#endWatch(topic, right);
      else if (right > Math.max(joined.at, this.#place) + 1) this.#endWatch(topic, { code: 'forbidden', message: 'The right ended and was given again.' });
    }
  }

  #endWatch(topic: string, { code, message }: Refusal): void {
    this.session.topics.delete(topic);
    const at = this.#histories.findIndex((history) => history.topic === topic);
    if (at >= 0) this.#histories.splice(at, 1);
    this.#notice(topic, 'watch.ended', { topic, code, message });
  }

  #enterAtConnect(topic: string, since: number | undefined, isResumed: boolean): void {
    const { session, bus } = this;
    const right = this.#right(topic);
    if (typeof right !== 'number') return this.#tell(topic, 'watch.ended', { topic, ...right });
    session.notices = session.notices.filter((notice) => notice.topic !== topic);
    const from = since ?? bus.log.end;
    if (since !== undefined && since + 1 < right) this.#notice(topic, 'resume.gap', { from: bus.log.offsetAt(since), to: bus.log.offsetAt(right) });
    session.topics.set(topic, { at: Math.max(from, right), owedAfter: isResumed && since !== undefined ? Math.max(since, right) : undefined, historyBehind: undefined });
  }

  #watchToken(): void {
    const expires = (this.#expires = {});
    const leftMs = this.token.expiresAt - World.current.date;
    if (leftMs > kHour) return;
    World.current.in(leftMs, undefined, () => {
      if (this.#expires !== expires || !this.isOpen) return;
      const { client } = this.token;
      this.bus.expiries.set(client, (this.bus.expiries.get(client) ?? 0) + 1);
      this.emit('token.expired', { code: 'token_expired', message: 'The token has expired.' });
      this.link.close(1001);
      this.end(false);
    });
    if (!this.wants.refresh) return;
    const earlyMs = Math.min(60_000, leftMs / 2);
    World.current.in(leftMs - earlyMs, undefined, () => {
      if (this.#expires === expires && this.isOpen) this.emit('token.expiring', { expiresInMs: Math.round(earlyMs) });
    });
  }

  // ---- what it is given ---------------------------------------------------------------------------

  wake(): void {
    if (this.#isAwake || !this.isOpen) return;
    this.#isAwake = true;
    World.current.in(this.bus.delay(), undefined, () => {
      this.#isAwake = false;
      if (this.isOpen) this.#give();
    });
  }

  #give(): void {
    const { log, chance, habits } = this.bus;
    for (let room = chance.whole(1, habits.atOnce); room > 0; ) {
      const history = this.#histories[0];
      if (history !== undefined) room -= this.#giveOfHistory(history) ? 1 : 0;
      else if (this.#place < log.end) room -= this.#giveInOrder(log.entries[this.#place]!) ? 1 : 0;
      else break;
    }
    this.session.clear = Math.max(this.session.clear, this.#place);
    if (this.#histories.length > 0 || this.#place < log.end) this.wake();
    if (this.#caughtUpAt === undefined || this.#place < this.#caughtUpAt || this.#histories.length > 0) return;
    this.#caughtUpAt = undefined;
    const body = { missed: this.#missed, ...(this.wants.place && { principal: principalOf(this.token), dedupeWindowMs: 3_600_000 }) };
    if (!this.wants.place) return this.emit('resume.done', body);
    this.session.given = Math.max(this.session.given, this.#place);
    this.link.down(frameOf('resume.done', body, log.offsetAt(this.#place)), () => this.bus.named(this.client));
  }

  #giveOfHistory(history: History): boolean {
    const { topic } = history;
    if (history.at >= history.until) {
      this.#histories.shift();
      const joined = this.session.topics.get(topic);
      if (joined !== undefined) joined.historyBehind = this.session.given;
      return false;
    }
    const entry = this.bus.log.entries[history.at++]!;
    if (!coversEvent(topic, { type: entry.type, ...(entry.subject !== undefined && { subject: entry.subject }) })) return false;
    this.emit(entry.type, entry.data, metaOf(entry), { offset: entry.offset, ...(this.wants.place && { topic }) });
    return true;
  }

  #giveInOrder(entry: Entry): boolean {
    this.#place = entry.position;
    const { subject, type, data } = entry;
    if (type === 'photo.unshared' && data.user === this.token.name && this.token.kind === 'user') this.#evict(subject!, entry.position);
    if (!this.#isFor(entry)) return false;
    if (this.#caughtUpAt !== undefined && entry.position <= this.#caughtUpAt) ++this.#missed;
    this.session.given = Math.max(this.session.given, entry.position); // what it was given before a drop it may have seen
    this.emit(type, data, metaOf(entry), entry.offset);
    return true;
  }

  // A right ends with the entry at `position`, unless another one was given behind it and is used.
  #evict(subject: string, position: number): void {
    const joined = this.session.topics.get(subject);
    if (joined === undefined || joined.at > position || this.bus.log.hadRightSince(this.token.name, subject, position - 1)) return;
    this.#endWatch(subject, { code: 'forbidden', message: `The right to watch ${subject} has ended.` });
  }

  #isFor(entry: Entry): boolean {
    if (entry.type === 'mail.sent' && entry.data.to === this.token.name && this.token.kind === 'user') return true;
    for (const [topic, { at }] of this.session.topics) {
      if (entry.position > at && coversEvent(topic, { type: entry.type, ...(entry.subject !== undefined && { subject: entry.subject }) })) return true;
    }
    return false;
  }

  // ---- commands -----------------------------------------------------------------------------------

  command(id: string | undefined, [name, ...args]: unknown[]): void {
    const { bus } = this;
    const answer = (body: Json, delayMs = bus.delay()) => {
      if (id === undefined) return;
      const frame = `43${id}[${JSON.stringify(body)}]`;
      const send = () => {
        this.link.down(frame);
        if (bus.chance.is(bus.habits.doubled)) this.link.down(frame);
      };
      if (delayMs === 0) send();
      else World.current.in(delayMs, undefined, send);
    };
    const refuse = (error: Refusal, delayMs?: number) => answer({ ok: false, error }, delayMs);
    if (bus.chance.is(bus.habits.refused)) {
      return refuse({ code: bus.chance.of(['unavailable', 'too_many', 'internal']), message: 'Not now.', ...(bus.chance.is(0.7) && { retryAfterMs: bus.chance.whole(1, 2_000) }) });
    }
    const [first, second] = args;
    const options = (typeof second === 'object' && second !== null ? second : {}) as Json;
    switch (name) {
      case 'subscribe':
        return this.#inLine(String(first), () => this.#subscribe(String(first), options, (body) => answer(body, 0)));
      case 'unsubscribe':
        return this.#inLine(String(first), () => this.#unsubscribe(String(first), options, (body) => answer(body, 0)));
      case 'publish':
        return this.#publish(first, answer);
      case 'ack':
      case 'nack': {
        const isHeld = bus.groups.answer(this, first, name === 'ack', typeof options.delayMs === 'number' ? options.delayMs : undefined);
        return isHeld ? answer({ ok: true }) : refuse({ code: 'not_found', message: 'This member does not have it.' });
      }
      case 'auth.refresh':
        return this.#refresh((first as Json | undefined)?.token, answer);
      default:
        return refuse({ code: 'not_found', message: 'There is no such command.' });
    }
  }

  // Changes of one topic are made one after the other, those of several as they are ready.
  #inLine(topic: string, change: () => void): void {
    const { now } = World.current;
    const at = Math.max(this.#lines.get(topic) ?? 0, now + this.bus.delay());
    this.#lines.set(topic, at);
    World.current.in(at - now, undefined, () => {
      if (this.isOpen) change();
    });
  }

  #subscribe(topic: string, options: Json, answer: (body: Json) => void): void {
    const { bus, session } = this;
    const { log } = bus;
    const refuse = (error: Refusal) => {
      bus.tell({ client: this.token.client, what: 'refused', topic, code: error.code });
      answer({ ok: false, error });
    };
    const { group, since } = options;
    if (this.token.kind === 'service' && !isSubject(topic) && group !== null) {
      const name = typeof group === 'string' ? group : this.token.name;
      if (since !== undefined) return refuse({ code: 'bad_request', message: 'A group keeps its own place.' });
      const cursor = bus.groups.join(name, topic, this, typeof options.max_in_flight === 'number' ? options.max_in_flight : 64);
      bus.tell({ client: this.token.client, what: 'subscribed', topic });
      return answer({ ok: true, topic, offset: log.offsetAt(cursor), group: name });
    }
    const right = this.#right(topic);
    if (typeof right !== 'number') return refuse(right);
    const position = typeof since === 'string' ? log.positionOf(since) : undefined;
    if (since !== undefined && position === undefined) return refuse({ code: 'bad_offset', message: 'It is of another log.' });
    if (session.topics.size >= 200 && !session.topics.has(topic)) return refuse({ code: 'too_many_rooms', message: 'A socket may be in 200 rooms.' });

    session.notices = session.notices.filter((notice) => notice.topic !== topic);
    const from = position === undefined ? log.end : Math.max(position, right);
    const joined = session.topics.get(topic) ?? { at: from, owedAfter: undefined, historyBehind: undefined };
    joined.at = Math.min(joined.at, from);
    if (position !== undefined) {
      joined.owedAfter = Math.min(joined.owedAfter ?? from, from);
      joined.historyBehind = undefined;
    }
    session.topics.set(topic, joined);
    bus.tell({ client: this.token.client, what: 'subscribed', topic });
    answer({ ok: true, topic, offset: log.offsetAt(from) });
    if (position !== undefined) this.#beginHistory(topic, from);
    this.wake();
  }

  #beginHistory(topic: string, after: number): void {
    const underWay = this.#histories.find((history) => history.topic === topic);
    if (underWay !== undefined) underWay.at = Math.min(underWay.at, after);
    else this.#histories.push({ topic, at: Math.min(after, this.#place), until: this.#place });
  }

  #unsubscribe(topic: string, { group }: Json, answer: (body: Json) => void): void {
    if (this.token.kind === 'service' && !isSubject(topic) && group !== null) {
      this.bus.groups.leave(typeof group === 'string' ? group : this.token.name, topic, this);
    } else {
      this.session.topics.delete(topic);
      const at = this.#histories.findIndex((history) => history.topic === topic);
      if (at >= 0) this.#histories.splice(at, 1);
      this.session.notices = this.session.notices.filter((notice) => notice.topic !== topic);
    }
    answer({ ok: true, topic });
  }

  #publish(body: unknown, answer: (body: Json) => void): void {
    const events = (Array.isArray(body) ? body : [body]) as Json[];
    const stored = this.bus.publish(this.session.person, events);
    if (!Array.isArray(stored)) return answer({ ok: false, error: stored });
    answer(Array.isArray(body) ? { ok: true, events: stored } : { ok: true, ...stored[0] });
  }

  #refresh(text: unknown, answer: (body: Json) => void): void {
    const token = readToken(text);
    if (token === undefined) return answer({ ok: false, error: { code: 'unauthorized', message: 'It is no token.' } });
    if (token.expiresAt <= World.current.date) return answer({ ok: false, error: { code: 'token_expired', message: 'The token has expired.' } });
    if (token.kind !== this.token.kind || token.name !== this.token.name) return answer({ ok: false, error: { code: 'forbidden', message: 'It is of somebody else.' } });
    this.token = token;
    this.#watchToken();
    answer({ ok: true, expiresInMs: token.expiresAt - World.current.date });
  }
}

function frameOf(...args: unknown[]): string {
  return `42${JSON.stringify(args)}`;
}
