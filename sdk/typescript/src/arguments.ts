import { EventBusError } from './errors.js';
import { isObject } from './guards.js';

// What callers may give where no compiler checks it. What makes no sense is a `bad_request`.

// The options that are numbers, and the least that each may be. `Infinity` is more.
const kLeast = { timeoutMs: 1, queueEventsMax: 1, queueBytesMax: 1, repeatsMax: 1, concurrency: 1, drainMs: 0 };

/** Events of a group that a member is given at once: the server refuses more. */
export const kInFlightMax = 1_000;

/** `options` as they are; none if they were left out. */
export function checkedOptions<Options extends object>(options: Options | null | undefined): Options {
  const given: unknown = options ?? {};
  check(isObject(given), 'options', 'an object', given);
  const { maxInFlight, signal, since } = given;
  for (const [name, least] of Object.entries(kLeast)) {
    const value = given[name];
    check(value === undefined || (typeof value === 'number' && value >= least), name, `a number from ${least} up`, value);
  }
  const isInFlight = Number.isInteger(maxInFlight) && (maxInFlight as number) >= 1 && (maxInFlight as number) <= kInFlightMax;
  check(maxInFlight === undefined || isInFlight, 'maxInFlight', `a whole number from 1 to ${kInFlightMax}`, maxInFlight);
  check(!signal || typeof (signal as Partial<AbortSignal>).addEventListener === 'function', 'signal', 'an AbortSignal', signal);
  check(since === undefined || typeof since === 'string', 'since', 'an offset', since);
  return given as Options;
}

export function checkTopic(topic: unknown): void {
  check(isName(topic), 'topic', 'a text such as photo:123 or photo.*', topic);
}

/** One that is none would take a group's events and give each back. */
export function checkHandler(handler: unknown): void {
  check(typeof handler === 'function', 'handler', 'a function', handler);
}

/** `name`: what it is to the caller. */
export function checkEvent(event: unknown, name: string): void {
  check(isObject(event), name, 'an event', event);
  check(isName(event.type), `${name}.type`, 'a text such as photo.uploaded', event.type);
}

function check(isGood: boolean, name: string, expected: string, given: unknown): asserts isGood {
  if (!isGood) throw new EventBusError('bad_request', `${name} must be ${expected}, and is ${inWords(given)}.`);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** What was given. An object may be large, or cannot be said in words. */
export function inWords(given: unknown): string {
  if (typeof given === 'string') return JSON.stringify(given);
  return typeof given === 'object' && given !== null ? 'an object' : typeof given === 'function' ? 'a function' : String(given);
}
