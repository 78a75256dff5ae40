// What comes from the wire is `unknown` until one of these has looked at it.

const kKeptCharsMax = 256;

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Its fields; none if it is not an object. */
export function fieldsOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function optionalString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A string that is kept and shown to the server again: one that is too long would keep a CONNECT from being taken. */
export function keptString(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= kKeptCharsMax ? value : undefined;
}

export function optionalNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
