import type { Connection } from './connection.js';
import { request } from './connection.js';
import { EventBusError, messageOf } from './errors.js';
import type { AnyEvent, Delivery, UntypedEvents } from './event.js';
import { identityOf } from './event.js';
import { LoopLeft } from './event-stream.js';
import { topicHandlerFailed } from './handler.js';
import type { Handling } from './handling.js';
import type { Subscriber } from './subscriber.js';

const kAnswerMs = 10_000;
const kReasonCharsMax = 500; // of a nack; it is for an operator to read, not for a stack
const kUnsubscribed = { reason: 'This member has unsubscribed.' };
const kStuckMs = 300_000; // then a handler will never settle
const kInFlightDefault = 64; // where a subscription does not say; the server's group_in_flight_default, unless an operator has changed it

/** A membership of a group. */
export interface Member {
  readonly topic: string;
  readonly maxInFlight: number | undefined;
  readonly subscribers: ReadonlySet<Pick<Subscriber, 'handleOfGroup'>>;
}

// An event in this client, from its first delivery until the last of its handlers has settled.
interface Run {
  readonly key: string;
  readonly membership: string;
  readonly member: Member;
  readonly event: AnyEvent<UntypedEvents>;
  delivery: Delivery; // the newest: only that one is still open
  startedAt: number | undefined; // by performance.now()
  isGivenUp: boolean;
}

/**
 * The groups' events that this client handles.
 *
 * (1) An event of a group is handled once at a time. A delivery of one that runs, as after a drop, is answered when it ends;
 *     only a run that has lasted for 5 minutes is given up for it.
 * (2) It is answered when all its handlers have settled: acknowledged, or given back if one of them failed.
 * (3) Of one membership no more than `maxInFlight` run, whatever it was given over several connections and subscriptions; the
 *     others wait.
 */
export class GroupWork {
  readonly #connection: Connection;
  readonly #handling: Handling;
  readonly #report: (error: EventBusError) => void;
  readonly #runs = new Map<string, Run>(); // in the order of their first deliveries
  #isClosing = false;

  constructor(connection: Connection, handling: Handling, report: (error: EventBusError) => void) {
    this.#connection = connection;
    this.#handling = handling;
    this.#report = report;
  }

  /** `member`: whose it is; undefined: it has unsubscribed since. */
  take(event: AnyEvent<UntypedEvents>, delivery: Delivery, member: Member | undefined): void {
    if (this.#isClosing) return; // the disconnect that follows gives it to another member
    const membership = `${delivery.group}\n${delivery.topic}`;
    const key = `${membership}\n${identityOf(event)}`;
    const known = this.#runs.get(key);
    if (known !== undefined && !this.#giveUpIfStuck(known)) {
      known.delivery = delivery;
    } else if (member === undefined) {
      void this.#answer('nack', delivery, kUnsubscribed);
    } else {
      this.#runs.set(key, { key, membership, member, event, delivery, startedAt: undefined, isGivenUp: false });
      this.#startThoseOf(membership);
    }
  }

  /** Takes no more; those that are being handled are answered. */
  stop(): void {
    this.#isClosing = true;
    for (const run of [...this.#runs.values()]) if (run.startedAt === undefined) this.#runs.delete(run.key);
  }

  #startThoseOf(membership: string): void {
    const own = [...this.#runs.values()].filter((run) => run.membership === membership);
    let room = (own[own.length - 1]?.member.maxInFlight ?? kInFlightDefault) - own.filter(({ startedAt }) => startedAt !== undefined).length;
    for (const run of own) {
      if (run.startedAt !== undefined) continue;
      if (room-- <= 0) return;
      void this.#handling.run(() => this.#handle(run));
    }
  }

  #giveUpIfStuck(run: Run): boolean {
    if (run.startedAt === undefined || performance.now() - run.startedAt < kStuckMs) return false;
    run.isGivenUp = true;
    this.#runs.delete(run.key);
    this.#report(new EventBusError('timeout', `A handler of ${run.member.topic} has not settled for ${kStuckMs / 60_000} minutes: event ${run.event.id} is handled again.`));
    return true;
  }

  async #handle(run: Run): Promise<void> {
    run.startedAt = performance.now();
    const { member, event } = run;
    const context = { group: run.delivery.group, attempt: run.delivery.attempt };
    const outcomes = await Promise.allSettled([...member.subscribers].map((subscriber) => subscriber.handleOfGroup(event, context)));
    if (run.isGivenUp) return;
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason as unknown);
    for (const thrown of failures) if (!(thrown instanceof LoopLeft)) this.#report(topicHandlerFailed(member.topic, thrown));
    const { delivery } = run;
    if (outcomes.length === 0) await this.#answer('nack', delivery, kUnsubscribed);
    else if (failures.length === 0) await this.#answer('ack', delivery);
    else await this.#answer('nack', delivery, { reason: reasonOf(failures[0]) });
    this.#runs.delete(run.key);
    // What came while the answer was on its way is another try.
    if (run.delivery !== delivery) this.take(event, run.delivery, member);
    if (!this.#isClosing) this.#startThoseOf(run.membership);
  }

  // If the answer does not arrive, the group gives the event out again: nothing is left to do here.
  async #answer(command: 'ack' | 'nack', { delivery }: Delivery, options?: object): Promise<void> {
    await request(this.#connection, command, options === undefined ? [delivery] : [delivery, options], kAnswerMs).catch((error: EventBusError) => {
      if (error.code !== 'unavailable' && error.code !== 'not_found') this.#report(error);
    });
  }
}

// Half of a character would be refused.
function reasonOf(thrown: unknown): string {
  const message = messageOf(thrown).replace(/\p{Surrogate}/gu, '\ufffd');
  return [...message].slice(0, kReasonCharsMax).join('');
}
