import { isObject } from '../guards.js';

/** Whose the token is, as far as a client can read it: issuer and subject. undefined: a service's, or not to be read. */
export function whoseIs(token: string): string | undefined {
  const claims = claimsOf(token);
  if (typeof claims?.sub !== 'string' || claims.service !== undefined) return undefined;
  return JSON.stringify([claims.iss ?? null, claims.sub]);
}

function claimsOf(token: string): Record<string, unknown> | undefined {
  try {
    const base64 = token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(claims) ? claims : undefined;
  } catch {
    return undefined; // no JWT
  }
}
