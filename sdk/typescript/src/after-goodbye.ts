import { waitNotFor } from './runtime.js';

const kLingerMs = 1_000;

/** Calls `end` in a second: until then the other side has the time to hear of the end. In Node a process does not wait for it. */
export function afterGoodbye(end: () => void): void {
  waitNotFor(setTimeout(end, kLingerMs));
}
