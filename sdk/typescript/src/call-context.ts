interface Storage<Value> {
  run<Result>(value: Value, callback: () => Result): Result;
  getStore(): Value | undefined;
}

/**
 * Knows on whose behalf code runs, over its awaits: by Node's AsyncLocalStorage, which Bun and Deno have too. Where there
 * is none, as in browsers, only up to the first await.
 */
export class CallContext<Value> {
  readonly #storage: Storage<Value> | undefined = makeStorage<Value>();
  #now: Value | undefined;

  run<Result>(value: Value, callback: () => Result): Result {
    if (this.#storage !== undefined) return this.#storage.run(value, callback);
    this.#now = value;
    try {
      return callback();
    } finally {
      this.#now = undefined;
    }
  }

  get(): Value | undefined {
    return this.#storage === undefined ? this.#now : this.#storage.getStore();
  }
}

function makeStorage<Value>(): Storage<Value> | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage?: new () => Storage<Value> } | undefined } };
  const { AsyncLocalStorage } = process?.getBuiltinModule?.('node:async_hooks') ?? {};
  return AsyncLocalStorage === undefined ? undefined : new AsyncLocalStorage();
}
