import { untilFirstAwait } from './until-first-await.js';

/** Knows on whose behalf code runs. */
export interface CallContext<Value> {
  run<Result>(value: Value, callback: () => Result): Result;
  getStore(): Value | undefined;
}

/**
 * One that knows it over awaits: Node's AsyncLocalStorage, which Bun and Deno have too. Where there is none, as in
 * browsers, it knows only up to the first await.
 */
export function callContext<Value>(): CallContext<Value> {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage?: new () => CallContext<Value> } | undefined } };
  const { AsyncLocalStorage } = process?.getBuiltinModule?.('node:async_hooks') ?? {};
  return AsyncLocalStorage === undefined ? untilFirstAwait() : new AsyncLocalStorage();
}
