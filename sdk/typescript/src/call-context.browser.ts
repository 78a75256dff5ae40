// What bundlers take for pages in place of call-context.ts.
import type { CallContext } from './call-context.js';
import { untilFirstAwait } from './until-first-await.js';

/** Browsers have none that knows it over awaits. */
export function callContext<Value>(): CallContext<Value> {
  return untilFirstAwait();
}
