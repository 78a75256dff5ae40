// What consumer groups owe: each event of their topic, from where they began, is handled by some member at least once; what was
// acknowledged, and answered so, never comes again.
import type { BusServer } from '../server.ts';
import { covers, kTypes } from '../catalog.ts';
import type { Principal } from '../tokens.ts';
import type { Fact, Ledger, Order } from './ledger.ts';
import type { Violation } from './trace.ts';

export interface Delivery {
  readonly id: string;
  readonly offset: string;
  readonly group: string;
  readonly topic: string;
  readonly attempt: number;
  readonly member: string;
  readonly at: number;
  outcome: 'done' | 'perhaps done' | 'refused' | 'not found' | 'no answer' | undefined;
  answeredAt: number;
}

interface Group {
  readonly name: string;
  readonly topic: string;
  readonly who: Principal;
  /** What lies behind this place is owed. */
  from: Order;
  readonly deliveries: Map<string, Delivery[]>;
  /** Acknowledged in a round before. */
  readonly done: Set<string>;
}

export class Groups {
  readonly #groups = new Map<string, Group>();
  readonly #ledger: Ledger;
  readonly #server: BusServer;

  constructor(ledger: Ledger, server: BusServer) {
    this.#ledger = ledger;
    this.#server = server;
  }

  joined(name: string, topic: string, who: Principal, from: Order): void {
    const key = `${name} ${topic}`;
    if (!this.#groups.has(key)) this.#groups.set(key, { name, topic, who, from, deliveries: new Map(), done: new Set() });
  }

  delivered(delivery: Delivery): void {
    const group = this.#groups.get(`${delivery.group} ${delivery.topic}`);
    if (group === undefined) return;
    const list = group.deliveries.get(delivery.id);
    if (list === undefined) group.deliveries.set(delivery.id, [delivery]);
    else list.push(delivery);
  }

  /** Events that no member has handled yet. */
  owed(): { readonly group: string; readonly fact: Fact }[] {
    return [...this.#groups.values()].flatMap((group) => this.#owedTo(group).map((fact) => ({ group: group.name, fact })));
  }

  judge(): Violation[] {
    const violations: Violation[] = [];
    for (const group of this.#groups.values()) {
      const who = `the group ${group.name} on ${group.topic}`;
      for (const fact of this.#owedTo(group)) {
        const seen = group.deliveries.get(fact.id)?.length ?? 0;
        const kind = kTypes[fact.type]!.transient === true ? 'group lost transient' : 'group lost';
        violations.push({ kind, who, id: fact.id, topic: group.topic, at: fact.answeredAt, text: `${fact.id} (${fact.type}) was never handled; it was given out ${seen} times` });
      }
      for (const [id, list] of group.deliveries) violations.push(...this.#judgeDeliveries(group, who, id, list));
    }
    return violations;
  }

  /** The next round begins behind `order`; what was done stays known, so that it must not come again. */
  begin(order: Order): void {
    for (const group of this.#groups.values()) {
      group.from = Math.max(group.from, order);
      for (const [id, list] of group.deliveries) if (list.some(({ outcome }) => outcome === 'done')) group.done.add(id);
      group.deliveries.clear();
    }
  }

  /** An older copy of the data is there: what was given out and done since then was not. */
  restored(): void {
    for (const group of this.#groups.values()) group.deliveries.clear();
  }

  storyOf(topic: string, id: string): string[] {
    const lines: { at: number; text: string }[] = [];
    for (const group of this.#groups.values()) {
      if (group.topic !== topic) continue;
      for (const { attempt, member, at, outcome, answeredAt } of group.deliveries.get(id) ?? []) {
        lines.push({ at, text: `${seconds(at)} attempt ${attempt} came to ${member} (${group.name})` });
        if (outcome !== undefined) lines.push({ at: answeredAt, text: `${seconds(answeredAt)} ${member}: ${outcome}` });
      }
    }
    return lines.sort((a, b) => a.at - b.at).map(({ text }) => text);
  }

  #owedTo(group: Group): Fact[] {
    return this.#ledger.log.filter((fact) => {
      if (fact.order! <= group.from || !covers(group.topic, fact.type)) return false;
      const list = group.deliveries.get(fact.id) ?? [];
      if (group.done.has(fact.id) || list.some(({ outcome }) => outcome === 'done' || outcome === 'perhaps done')) return false; // an ack whose answer was lost
      if (kTypes[fact.type]!.transient === true && this.#server.suffered(fact.startedAt, Infinity, 'kill', 'stop', 'restore')) return false;
      return !(group.who.name !== 'worker' && this.#ledger.mayHaveBeenNarrow(fact.startedAt, fact.answeredAt));
    });
  }

  #judgeDeliveries(group: Group, who: string, id: string, list: Delivery[]): Violation[] {
    const violations: Violation[] = [];
    const fact = this.#ledger.facts.get(id);
    const about = { who, id, topic: group.topic };
    if (fact === undefined && !group.done.has(id)) return [{ ...about, kind: 'unknown event', at: list[0]!.at, text: `${id} was given out, and nobody has published it` }];
    if (fact !== undefined && !covers(group.topic, fact.type)) violations.push({ ...about, kind: 'not for it', at: list[0]!.at, text: `${id} is a ${fact.type}` });
    const acked = list.find(({ outcome }) => outcome === 'done');
    for (const delivery of list) {
      const isAgain = group.done.has(id) || (acked !== undefined && delivery.attempt > acked.attempt && delivery.at > acked.answeredAt);
      if (isAgain) violations.push({ ...about, kind: 'given out after its ack', at: delivery.at, text: `${id} came to ${delivery.member} (attempt ${delivery.attempt}), and an ack of it had been answered ok` });
      if (group.who.name !== 'worker' && this.#ledger.wasNarrow(delivery.at - 1, delivery.at)) {
        violations.push({ ...about, kind: 'shown without the right', at: delivery.at, text: `${id} was given to ${delivery.member} while the catalog lets only the worker consume it` });
      }
    }
    const attempts = list.map(({ attempt }) => attempt);
    if (new Set(attempts).size < attempts.length && !fact?.isDoubtful) violations.push({ ...about, kind: 'attempt twice', at: list[0]!.at, text: `${id} was given out with the attempts ${attempts.join(', ')}` });
    return violations;
  }
}

export const seconds = (at: number): string => (Number.isFinite(at) ? `+${(at / 1_000).toFixed(3)} s` : 'never');
