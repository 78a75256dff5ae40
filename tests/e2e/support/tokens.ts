import { createHmac } from 'node:crypto';

export const kSecret = 'a secret of the tests, 32 bytes or more';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT as an API service of the platform would sign it. */
export function sign(claims: Record<string, unknown>, { ttlS = 3_600, secret = kSecret } = {}): string {
  const head = encode({ alg: 'HS256', typ: 'JWT' });
  const body = encode({ exp: Math.floor(Date.now() / 1_000) + ttlS, ...claims });
  const signature = createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url');
  return `${head}.${body}.${signature}`;
}

export function userToken(id: string, claims: { roles?: string[]; permissions?: string[]; exp?: number } = {}): string {
  return sign({ sub: id, ...claims });
}

export function serviceToken(name: string, claims: { permissions?: string[] } = {}): string {
  return sign({ sub: `service-account-${name}`, service: name, ...claims });
}
