import { createHmac } from 'node:crypto';

export const kSecret = 'a secret of the chaos run, 32 bytes or more';

/** Who a client is. */
export interface Principal {
  readonly kind: 'user' | 'service';
  readonly name: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

export const user = (name: string, roles: readonly string[] = [], permissions: readonly string[] = []): Principal => ({ kind: 'user', name, roles, permissions });
export const service = (name: string, permissions: readonly string[] = []): Principal => ({ kind: 'service', name, roles: [], permissions });

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token without an end (clock steps do not end it), or with one in so many seconds. */
export function tokenOf({ kind, name, roles, permissions }: Principal, seconds?: number): string {
  const end = seconds === undefined ? {} : { exp: Math.floor(Date.now() / 1_000) + seconds };
  const claims = kind === 'user' ? { sub: name, roles, permissions, ...end } : { sub: `service:${name}`, service: name, permissions, ...end };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', kSecret).update(signed).digest('base64url')}`;
}
