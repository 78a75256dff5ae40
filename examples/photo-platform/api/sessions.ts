import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { jwtVerify, SignJWT } from 'jose';
import { isNodeError } from '../shared/files.js';
import { findUser, type User } from './users.js';

const AUDIENCE = 'photo-platform-page';

// Who is at the page. Signed with a key of the API's own, so that a session is no token of the bus
// and a token of the bus no session. The page keeps it per tab: two windows can be two users.
export class Sessions {
  private constructor(readonly key: Uint8Array) {}

  static async open(keyFile: string): Promise<Sessions> {
    try {
      return new Sessions(await readFile(keyFile));
    } catch (error) {
      if (!isNodeError(error) || error.code !== 'ENOENT') throw error;
    }
    const key = randomBytes(32);
    await writeFile(keyFile, key, { mode: 0o600, flag: 'wx' });
    return new Sessions(key);
  }

  begin(user: User): Promise<string> {
    return new SignJWT({ sub: user.id })
      .setProtectedHeader({ alg: 'HS256' })
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime('12h')
      .sign(this.key);
  }

  // Undefined for whatever is no session of ours that still holds.
  async find(authorization: string | undefined): Promise<User | undefined> {
    const token = /^Bearer (\S{1,2000})$/.exec(authorization ?? '')?.[1];
    if (!token) return undefined;
    try {
      const { payload } = await jwtVerify(token, this.key, { audience: AUDIENCE, algorithms: ['HS256'] });
      return findUser(payload.sub);
    } catch {
      return undefined;
    }
  }
}
