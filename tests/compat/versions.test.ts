// socket.io-client 3.1, 4.1, 4.6 and 4.8 over each transport, against the echo server and the bus itself.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Socket } from 'sio48';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { Seen } from '../e2e/support/seen.js';
import { kSecret, serviceToken, sign, userToken } from '../e2e/support/tokens.js';
import { ours, ServerProcess } from './support/server-process.js';
import { kMatrix } from './support/versions.js';

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.disconnect();
});

/** What old clients have instead of emitWithAck. */
function ask(socket: Socket, ...args: [event: string, ...args: unknown[]]): Promise<unknown[]> {
  return new Promise((resolve) => socket.emit(...args, (...answer: unknown[]) => resolve(answer)));
}

function next(socket: Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve) => socket.once(event, (...args: unknown[]) => resolve(args)));
}

function kept(socket: Socket): Socket {
  sockets.push(socket);
  return socket;
}

/** Resolves once the client is on the transport that it is to end on. */
async function settled(socket: Socket, transport: string): Promise<void> {
  if (!socket.connected) await next(socket, 'connect');
  if (transport !== 'upgrade') return;
  const engine = socket.io.engine;
  if (engine.transport.name !== 'websocket') await new Promise<void>((resolve) => engine.once('upgrade', () => resolve()));
}

describe('the echo server', () => {
  const echo = ours();
  beforeAll(() => echo.up());
  afterAll(() => echo.end('SIGTERM'));

  test.each(kMatrix)('socket.io-client $version over $transport', async ({ transport, open }) => {
    const socket = kept(open(echo.url, { auth: { token: 'x' } }));
    expect(await next(socket, 'auth')).toEqual([{ token: 'x' }]);
    const bytes = Buffer.from([0, 1, 254, 255]);
    const args = ['ü€😀', 1.5, null, { deep: [{ bytes }, bytes] }, bytes];

    // Across the upgrade, in order:
    const answers = Array.from({ length: 30 }, (_, at) => ask(socket, 'message-with-ack', at, ...args));
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 30 }, (_, at) => [at, ...args]));
    await settled(socket, transport);
    const back = next(socket, 'message-back');
    socket.emit('message', ...args);
    expect(await back).toEqual(args);
    expect(await ask(socket, 'message-with-ack')).toEqual([]);
    expect(await ask(socket, 'message-with-ack', 'x'.repeat(600_000))).toEqual(['x'.repeat(600_000)]);

    const custom = kept(socket.io.socket('/custom', { auth: { to: 'custom' } }));
    expect(await next(custom, 'auth')).toEqual([{ to: 'custom' }]);
    expect(await ask(custom, 'message-with-ack', bytes)).toEqual([bytes]);
    const nope = kept(socket.io.socket('/nope', {}));
    expect(await next(nope, 'connect_error')).toMatchObject([{ message: 'Invalid namespace' }]);

    custom.disconnect();
    const gone = next(socket, 'disconnect');
    socket.io.engine.close();
    expect((await gone)[0]).toMatch(/^(forced|transport) close$/);
    expect(await next(socket, 'auth')).toEqual([{ token: 'x' }]);
    socket.disconnect();
    socket.connect();
    expect(await next(socket, 'auth')).toEqual([{ token: 'x' }]);
  });

  test.each(kMatrix)('socket.io-client $version over $transport comes back to the next server', async ({ transport, open }) => {
    const server = await ours().up();
    try {
      const socket = kept(open(server.url));
      await settled(socket, transport);
      const gone = next(socket, 'disconnect');
      expect(await server.end('SIGTERM')).toBe(0);
      expect(await gone).not.toContain('io server disconnect');
      const answer = ask(socket, 'message-with-ack', 'asked while it was away');
      await server.up();
      expect(await answer).toEqual(['asked while it was away']);
    } finally {
      await server.end('SIGTERM');
    }
  });
});

const kBinary = process.env.EVENTBUS_BIN ?? fileURLToPath(new URL('../../build/release/bin/eventbus', import.meta.url));
const kCatalog = fileURLToPath(new URL('../e2e/support/catalog.yaml', import.meta.url));

describe('the bus', () => {
  const data = mkdtempSync(join(tmpdir(), 'eventbus-compat-'));
  const bus = new ServerProcess((address) => [kBinary, 'serve', '--catalog', kCatalog, '--listen', address, '--data', data], { EVENTBUS_JWT_SECRET: kSecret, EVENTBUS_ADMIN_LISTEN: 'off' });
  beforeAll(() => bus.up());
  afterAll(async () => {
    await bus.end('SIGTERM');
    rmSync(data, { recursive: true, force: true });
  });

  const kOk = [{ ok: true }];
  const count = (api: Socket, counterId: string, n: number) => ask(api, 'publish', { type: 'counter.counted', data: { counterId, n } });

  test.each(kMatrix)('socket.io-client $version over $transport', async ({ version, transport, recovers, open }) => {
    const counter = `${version}-${transport}`;
    const alice = kept(open(bus.url, { auth: { token: userToken('alice', { permissions: [`watch:counter:${counter}`] }) } }));
    const api = kept(open(bus.url, { auth: { token: serviceToken('api') } }));
    const counted = new Seen<number>();
    alice.on('counter.counted', ({ n }: { n: number }, meta: { offset: string }, place: unknown) => {
      expect([meta.offset, place]).toEqual([expect.any(String), expect.any(String)]);
      counted.add(n);
    });
    await Promise.all([settled(alice, transport), settled(api, transport)]);

    expect(await ask(alice, 'subscribe', `counter:${counter}`)).toMatchObject(kOk);
    expect(await ask(alice, 'subscribe', 'counter:of-another')).toMatchObject([{ ok: false, error: { code: 'forbidden' } }]);
    for (let n = 0; n < 3; ++n) expect(await count(api, counter, n)).toMatchObject(kOk);
    await counted.atLeast(3);

    const resumed = recovers ? next(alice, 'resume.done') : undefined;
    const back = next(alice, 'connect');
    alice.io.engine.close();
    for (let n = 3; n < 6; ++n) expect(await count(api, counter, n)).toMatchObject(kOk);
    await back;
    if (resumed === undefined) expect(await ask(alice, 'subscribe', `counter:${counter}`)).toMatchObject(kOk);
    else await resumed;
    expect(await count(api, counter, 6)).toMatchObject(kOk);

    const all = await counted.until((seen) => seen.at(-1) === 6);
    if (recovers) {
      expect(alice.recovered).toBe(true);
      expect(all).toEqual([0, 1, 2, 3, 4, 5, 6]);
    } else {
      expect(all.slice(0, 3)).toEqual([0, 1, 2]);
    }
  });

  test.each(kMatrix)('socket.io-client $version over $transport is told why it is refused', async ({ open }) => {
    const socket = kept(open(bus.url, { auth: { token: sign({ sub: 'mallory' }, { secret: 'another secret, also of 32 bytes!' }) } }));

    expect(await next(socket, 'connect_error')).toMatchObject([{ message: expect.stringMatching(/./), data: { code: 'unauthorized' } }]);
  });
});
