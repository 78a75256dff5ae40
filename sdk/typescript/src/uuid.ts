/** A random UUID (RFC 9562, version 4). */
export function uuid(): string {
  // Not crypto.randomUUID: browsers have it on secure origins only. Node 18 has no global crypto at
  // all; an id must be unique, not secret, so Math.random will do there.
  const random = globalThis.crypto?.getRandomValues(new Uint8Array(36)) ?? Array.from({ length: 36 }, () => Math.random() * 256);
  return 'xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx'.replace(/x/g, (_, at: number) => (random[at]! & 15).toString(16));
}
