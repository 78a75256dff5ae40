import type { CallContext } from './call-context.js';

/** One that knows it up to the first await. */
export function untilFirstAwait<Value>(): CallContext<Value> {
  let now: Value | undefined;
  return {
    run: (value, callback) => {
      now = value;
      try {
        return callback();
      } finally {
        now = undefined;
      }
    },
    getStore: () => now,
  };
}
