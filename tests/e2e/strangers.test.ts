// What clients without a token can take: nothing from those who have one, and from one another their share.
import type { Socket } from 'node:net';
import { connect as connectTo } from 'node:net';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { connect } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kHandshake = 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: bus\r\n\r\n';
const kConnectTimeoutMs = 10_000; // by then a session without a token ends by itself
const kUpload = { photoId: '123', userId: 'alice', filename: 'vacation.jpg' };

/** Opens polling sessions on one connection, as fast as they are answered; resolves when there were `count`. */
async function flood(server: BusServer, count: number, localAddress: string): Promise<Socket> {
  const socket = connectTo({ port: Number(new URL(server.url).port), host: '127.0.0.1', localAddress });
  afterwards(() => socket.destroy());
  let answers = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('connect', () => socket.write(kHandshake.repeat(50)));
    socket.on('data', (bytes) => {
      const got = bytes.toString('latin1').split('HTTP/1.1 ').length - 1;
      answers += got;
      socket.write(kHandshake.repeat(got));
      if (answers >= count) resolve();
    });
  });
  return socket;
}

async function expectRoomForAll(server: BusServer): Promise<void> {
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const api = await connect(server, serviceToken('api'), { transports });
    expect(await api.ask('publish', { type: 'photo.uploaded', data: kUpload })).toMatchObject({ ok: true });
    api.socket.disconnect();
  }
}

test('a flood of sessions without a token keeps nobody out who comes from elsewhere', async () => {
  const server = await BusServer.start({ settings: { reactors: '1', connections_max: '100' } });
  const alice = await connect(server, userToken('alice'), { transports: ['polling'] });
  await flood(server, 2_000, '127.0.0.2'); // and it goes on

  await expectRoomForAll(server);

  await alice.events.atLeast(3);
});

test('nor does a flood of connections that say nothing', async () => {
  const server = await BusServer.start({ settings: { reactors: '1', connections_max: '100' } });
  const alice = await connect(server, userToken('alice'), { transports: ['websocket'] });
  const open = async (): Promise<void> => {
    const socket = connectTo({ port: Number(new URL(server.url).port), host: '127.0.0.1', localAddress: '127.0.0.2' });
    afterwards(() => socket.destroy());
    await new Promise((resolve) => socket.on('error', resolve).once('connect', resolve));
  };
  for (let at = 0; at < 300; ++at) await open();

  await expectRoomForAll(server);

  await alice.events.atLeast(3);
}, kConnectTimeoutMs / 2);

test('when it is over, those behind the same address come in at once', async () => {
  const server = await BusServer.start({ settings: { reactors: '1', connections_max: '100' } });
  (await flood(server, 2_000, '127.0.0.1')).destroy();

  await expectRoomForAll(server);
}, kConnectTimeoutMs / 2);
