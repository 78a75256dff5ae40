// What Node has, and a page has not. A bare `process` would throw in a page.
const { process } = globalThis as { process?: { env?: Record<string, string | undefined>; versions?: { node?: string } } };

export function environment(name: string): string | undefined {
  return process?.env?.[name] || undefined;
}

/** What the system says of a connection that failed; in other words where those help nobody. */
export function plainly(said: string | undefined): string | undefined {
  return /wrong version number/.test(said ?? '') ? 'no TLS there: is it an http: address?' : said;
}

/** The process need not wait for it. */
export function waitNotFor(timer: ReturnType<typeof setTimeout>): void {
  (timer as { unref?: () => void }).unref?.();
}

/** Ends the process with 1 by `error`, as an `error` event that nobody hears does. Not at once: promises are told first. */
export function endBy(error: Error): void {
  if (process?.versions?.node === undefined) return;
  setTimeout(() => {
    throw error;
  }, 0);
}
