// A start that is refused for its data directory, its addresses or its secrets: the sentence names what is wrong, and what
// to do.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { BusServer, kBinary } from './support/server.js';
import { kSecret } from './support/tokens.js';

const kCatalog = fileURLToPath(new URL('./support/catalog.yaml', import.meta.url));
const kIsRoot = process.getuid!() === 0;
const kNobody = 65534;

/** A folder that every user may enter, with the program and a catalog: where they lie otherwise, others may not look. */
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'eventbus-e2e-start-'));
  afterwards(() => rmSync(made, { recursive: true, force: true }));
  chmodSync(made, 0o755);
  copyFileSync(kBinary, join(made, 'eventbus'));
  copyFileSync(kCatalog, join(made, 'catalog.yaml'));
  return made;
}

/** What a start says that is refused. */
function refusal(where: string, settings: Record<string, string>, options: { uid?: number; code?: number } = {}): string {
  const all = { catalog: join(where, 'catalog.yaml'), jwt_secret: kSecret, data: join(where, 'data'), listen: '127.0.0.1:0', admin_listen: 'off', log_level: 'error', ...settings };
  const env = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '').map(([key, value]) => [`EVENTBUS_${key.toUpperCase()}`, value]));
  const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  const ended = spawnSync(join(where, 'eventbus'), ['serve'], { env, timeout: 10_000, encoding: 'utf8', ...user });
  expect(ended.stderr).not.toBe('');
  expect({ status: ended.status, signal: ended.signal, stderr: ended.stderr }).toMatchObject({ status: options.code ?? 1, signal: null });
  return ended.stderr;
}

/** A data directory as a server leaves it. */
async function used(where: string): Promise<string> {
  const server = await BusServer.start();
  await server.stop();
  cpSync(server.data, join(where, 'data'), { recursive: true });
  chmodSync(join(where, 'data'), 0o755);
  return join(where, 'data');
}

test('a data directory that another server has is named, and what to do', async () => {
  const server = await BusServer.start();
  expect(refusal(folder(), { data: server.data })).toContain(`another server uses this data directory, ${server.data}: stop it, or give this one its own, --data DIR`);
});

test.skipIf(!kIsRoot)('a data directory, or a file in it, that belongs to another user is named, and whose it has to be', async () => {
  const where = folder();
  const data = await used(where);
  const owner = `the user of this process, ${kNobody}, may not read and write it: start the server as the one who owns ${data}, or give it all of that, as by chown -R ${kNobody} ${data}`;
  for (const name of readdirSync(data, { recursive: true }) as string[]) chownSync(join(data, name), kNobody, kNobody);
  chownSync(data, kNobody, kNobody);
  for (const name of ['log', 'log/CURRENT', 'log/LOCK', 'sessions', 'groups/CURRENT', 'groups']) {
    chownSync(join(data, name), 0, 0);
    chmodSync(join(data, name), 0o700);
    const why = refusal(where, {}, { uid: kNobody });
    expect(why).toContain(owner);
    expect(why).toMatch(join(data, name));
    chownSync(join(data, name), kNobody, kNobody);
  }
  chownSync(data, 0, 0);
  chmodSync(data, 0o700);
  expect(refusal(where, {}, { uid: kNobody })).toContain(`the data directory ${data} cannot be opened: Permission denied; let the user of this process, ${kNobody}, do that, or name another`);
  expect(refusal(where, { data: join(where, 'new') }, { uid: kNobody })).toContain(`the data directory ${where}/new cannot be made: Permission denied; let the user of this process, ${kNobody}, do that, or name another`);
  chmodSync(data, 0o755);
  rmSync(join(data, 'log'), { recursive: true });
  expect(refusal(where, {}, { uid: kNobody })).toContain(owner); // log/ cannot be made
});

test('a file in the place of a folder, and a folder in that of a file, are named with a remedy', async () => {
  const where = folder();
  const data = await used(where);
  rmSync(join(data, 'sessions'), { recursive: true });
  writeFileSync(join(data, 'sessions'), '');
  expect(refusal(where, {})).toMatch(/cannot open the store of sessions .*data\/sessions.*if it is lost, move the folder sessions\/ /);
  rmSync(join(data, 'log/CURRENT'));
  mkdirSync(join(data, 'log/CURRENT'));
  expect(refusal(where, {})).toMatch(/the log is damaged .*CURRENT in .*\/log is not a regular file; if you have the file, put it back\): restore /);
  expect(refusal(where, { data: join(where, 'eventbus') })).toContain('Not a directory; name a folder, and no file');
});

test('an address that is in use, of another machine, or none is said with its setting', async () => {
  const where = folder();
  const other = createServer().listen(0, '127.0.0.1');
  afterwards(() => other.close());
  await once(other, 'listening');
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  for (const setting of ['listen', 'admin_listen']) {
    expect(refusal(where, { [setting]: address })).toContain(`\`${setting}\`: another process listens on ${address}; stop it, or choose another address`);
    expect(refusal(where, { [setting]: '192.0.2.1:80' })).toContain(`\`${setting}\`: 192.0.2.1:80 is not an address of this machine; choose one that it has, or 0.0.0.0 for all of them`);
    expect(refusal(where, { [setting]: 'bus.example.com:80' }, { code: 2 })).toContain(`EVENTBUS_${setting.toUpperCase()}: \`${setting}\`: "bus.example.com:80" is no address: the host is not an IP address`);
  }
  if (!kIsRoot) return;
  const data = join(where, 'nobodys');
  mkdirSync(data);
  chownSync(data, kNobody, kNobody);
  expect(refusal(where, { data, listen: '127.0.0.1:443' }, { uid: kNobody })).toContain('`listen`: 127.0.0.1:443 needs more rights, as ports below 1024 do; choose a higher port, or give the process CAP_NET_BIND_SERVICE');
});

test('a secret that is malformed, or cannot be read or made, is refused with its file', () => {
  const where = folder();
  const data = join(where, 'data');
  mkdirSync(data);
  const dev = { jwt_secret: '', dev: 'true' };
  writeFileSync(join(where, 'secret'), 'short');
  expect(refusal(where, { jwt_secret: '', jwt_secret_file: join(where, 'secret') })).toContain(`the JWT secret (${where}/secret): the secret has 5 bytes, HS256 needs 32 or more; make one with`);
  expect(refusal(where, { jwt_secret: '', jwt_secret_file: join(where, 'none') })).toContain(`the file of the JWT secret ${where}/none cannot be read: No such file or directory; check jwt_secret_file`);
  writeFileSync(join(data, 'dev-secret'), 'x');
  expect(refusal(where, dev)).toContain(`the JWT secret (${data}/dev-secret): the secret has 1 bytes`);
  if (!kIsRoot) return;
  chmodSync(join(data, 'dev-secret'), 0o600);
  expect(refusal(where, dev, { uid: kNobody })).toContain(`${data}/dev-secret cannot be read: Permission denied; is it a file that the user of this process may read?`);
  const token = spawnSync(join(where, 'eventbus'), ['token', '--service', 'a', '--data-dir', data], { env: {}, encoding: 'utf8', uid: kNobody, gid: kNobody });
  expect(token).toMatchObject({ status: 1, stderr: expect.stringContaining(`${data}/dev-secret cannot be read: Permission denied`) });
  rmSync(join(data, 'dev-secret'));
  expect(refusal(where, dev, { uid: kNobody })).toContain(`the secret cannot be made at ${data}/dev-secret: Permission denied; give the data directory to the user of this process, or set EVENTBUS_JWT_SECRET`);
});
