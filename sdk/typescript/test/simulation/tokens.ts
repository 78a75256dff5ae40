/** What a token says of whom it was given to. */
export interface Person {
  readonly kind: 'user' | 'service';
  readonly name: string;
  /** The client that it is of: for the judges alone. */
  readonly client: string;
}

export interface Token extends Person {
  readonly expiresAt: number; // ms, of the world's date
}

/** A JWT as far as a client can tell. */
export function tokenOf({ kind, name, client }: Person, expiresAt: number): string {
  const claims = { sub: kind === 'user' ? name : `service:${name}`, ...(kind === 'service' && { service: name }), client, exp: expiresAt / 1_000 };
  return `${encoded({ alg: 'none' })}.${encoded(claims)}.${encoded('signature')}`;
}

/** As the bus names somebody without saying who it is. */
export function principalOf({ kind, name }: Person): string {
  return encoded(`${kind}:${name}`);
}

export function readToken(text: unknown): Token | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const claims = JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString()) as { sub: string; service?: string; client: string; exp: number };
    return { kind: claims.service === undefined ? 'user' : 'service', name: claims.service ?? claims.sub, client: claims.client, expiresAt: claims.exp * 1_000 };
  } catch {
    return undefined;
  }
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
