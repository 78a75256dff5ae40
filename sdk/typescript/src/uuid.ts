/** A random UUID (RFC 9562, version 4). */
export function uuid(): string {
  const bytes = new Uint8Array(16);
  // Not crypto.randomUUID: browsers have it on secure origins only. Node 18 has no global crypto at
  // all; an id must be unique, not secret, so Math.random will do there.
  if (globalThis.crypto !== undefined) globalThis.crypto.getRandomValues(bytes);
  else for (let i = 0; i < bytes.length; ++i) bytes[i] = Math.floor(Math.random() * 256);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
