/** A random UUID (RFC 9562, version 4). */
export function uuid(): string {
  // Not crypto.randomUUID: browsers have it on secure origins only. Node 18 has no global crypto at
  // all; an id must be unique, not secret, so Math.random will do there.
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16)) ?? Uint8Array.from({ length: 16 }, () => Math.random() * 256);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
