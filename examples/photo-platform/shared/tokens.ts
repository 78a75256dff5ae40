import { SignJWT } from 'jose';

const BUS_TOKEN_LIFE = '10m'; // the SDK asks for a new one whenever it connects

// The tokens that the bus asks for. It and we hold the same HS256 secret, and who holds it can sign for
// anybody: where services are apart, one of them signs and gives the others theirs.
export class BusTokens {
  readonly #secret: Uint8Array;

  constructor(secret: string) {
    this.#secret = new TextEncoder().encode(secret);
    if (this.#secret.length < 32) {
      throw new Error('EVENTBUS_JWT_SECRET has fewer than 32 bytes; make one with: openssl rand -hex 32');
    }
  }

  forService(name: string): Promise<string> {
    return this.#sign({ sub: `service-${name}`, service: name });
  }

  forUser(id: string, roles: readonly string[]): Promise<string> {
    return this.#sign({ sub: id, roles });
  }

  #sign(claims: Record<string, unknown>): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime(BUS_TOKEN_LIFE)
      .sign(this.#secret);
  }
}
