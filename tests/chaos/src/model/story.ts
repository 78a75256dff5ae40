// The story of one fault: what happened to one client and one event, in order.
import type { Device } from '../devices/device.ts';
import type { BusServer } from '../server.ts';
import { seconds } from './groups.ts';
import type { Groups } from './groups.ts';
import type { Ledger, Order } from './ledger.ts';
import type { Step, Violation } from './trace.ts';

const kStepsMax = 60;

export function storyOf(violation: Violation, ledger: Ledger, groups: Groups, server: BusServer, devices: readonly Device[]): string {
  const device = devices.find(({ name }) => name === violation.who);
  const trace = device?.trace ?? [];
  const fact = violation.id === undefined ? undefined : ledger.facts.get(violation.id);
  const lines = [`${violation.who}: ${violation.text}`];
  if (device !== undefined) lines.push(`  it is ${device.who.kind} ${device.who.name}, roles [${device.who.roles.join(', ')}], permissions [${device.who.permissions.join(', ')}]`);
  if (fact !== undefined) lines.push(`  the event: ${fact.id} ${fact.type} ${JSON.stringify({ ...fact.data, secret: undefined, pad: undefined })}, published ${seconds(fact.startedAt)}, answered ${seconds(fact.answeredAt)} with ${fact.offset ?? 'nothing'}`);
  const topic = violation.topic ?? (fact?.data.photo === undefined ? undefined : `photo:${fact.data.photo}`);
  if (device !== undefined && topic !== undefined) {
    for (const right of ledger.rights(device.who, topic)) lines.push(`  its right to ${topic}: ${right.why}, from ${place(right.from)} until ${place(right.until)}${right.until === Infinity ? '' : ` (the publish that ended it began ${seconds(right.endedAt)}, answered ${seconds(right.endAnsweredAt)})`}`);
  }
  if (topic?.startsWith('photo:') === true) lines.push(`  owners of ${topic}: ${ledger.ownersOf(topic.slice(6)).map(({ user, from }) => `${user} from ${place(from)}`).join(', ')}`);
  const since = violation.at - 20_000;
  for (const { what, from, until } of server.incidents) if (until > since && from < violation.at) lines.push(`  server: ${what} from ${seconds(from)} until ${seconds(until)}`);
  for (const span of server.narrowSpans) if (span.back > since && span.asked < violation.at) lines.push(`  server: narrow catalog, asked for ${seconds(span.asked)}, there ${seconds(span.narrow)}, full again asked for ${seconds(span.wide)}, there ${seconds(span.back)}`);
  if (topic !== undefined && violation.id !== undefined) for (const line of groups.storyOf(topic, violation.id)) lines.push(`  ${line}`);
  // A group's events go to any of its members: what became of their connections.
  if (device === undefined && violation.topic !== undefined) {
    const steps = devices.filter(({ kind }) => kind === 'member').flatMap(({ name, trace: own }) => own.map((step) => ({ at: step.at, text: `${name}: ${describe(step)}` })));
    for (const { text } of steps.sort((a, b) => a.at - b.at).slice(-kStepsMax)) lines.push(`  ${text}`);
  }
  const order = fact?.order;
  const chosen = trace.filter((step) => concerns(step, topic, order, violation));
  if (chosen.length > kStepsMax) lines.push(`  … ${chosen.length - kStepsMax} earlier steps left out`);
  for (const step of chosen.slice(-kStepsMax)) lines.push(`  ${describe(step)}`);
  return lines.join('\n');
}

function concerns(step: Step, topic: string | undefined, order: Order | undefined, violation: Violation): boolean {
  if (step.at > violation.at + 1_500) return false;
  switch (step.kind) {
    case 'asked':
    case 'answered': return topic === undefined || step.ask.topic === topic || !step.ask.topic.startsWith('photo:');
    case 'event': return step.id === violation.id || (order !== undefined ? Math.abs(step.order - order) <= 12 : Math.abs(step.at - violation.at) < 50);
    case 'told': return step.name !== 'watch.ended' || topic === undefined || step.body.topic === topic;
    default: return true;
  }
}

function describe(step: Step): string {
  const at = seconds(step.at);
  switch (step.kind) {
    case 'connected': return `${at} connected${step.recovered ? ', recovered' : ''}${step.since === undefined ? '' : `, since ${place(step.since)}`} (CONNECT sent ${seconds(step.attemptAt)}, pid ${step.pid ?? 'none'})`;
    case 'disconnected': return `${at} disconnected: ${step.reason}`;
    case 'left': return `${at} left`;
    case 'asked': return `${at} asks: ${step.ask.command} ${step.ask.topic}${step.ask.since === undefined ? '' : ` since ${place(step.ask.since)}`}`;
    case 'answered': return `${at} answered: ${step.ask.command} ${step.ask.topic} (asked ${seconds(step.ask.sentAt)}) ${step.ask.ok === true ? 'ok' : step.ask.code} ${step.ask.order === undefined ? '' : `offset ${place(step.ask.order)}`}`;
    case 'event': return `${at} got ${step.id} at ${place(step.order)}${step.place === undefined ? ', out of order' : ''}${step.hasSecret ? ', with its secret' : ''}`;
    case 'told': return `${at} told: ${step.name} ${JSON.stringify(step.body)}`;
    case 'note': return `${at} ${step.text}`;
  }
}

const place = (order: Order): string => (order === Infinity ? 'now' : order < 0 ? 'ever' : `${order >= 2 ** 42 ? `branch ${Math.floor(order / 2 ** 42)} ` : ''}${order % 2 ** 42}`);
