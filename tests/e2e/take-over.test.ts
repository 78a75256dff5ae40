// Several sockets with one pid, at the same moment: of all of them exactly one stays.
import { once } from 'node:events';

import { expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { afterwards } from './support/clean-up.js';
import { sdk } from './support/clients.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kMallory = userToken('mallory');

/** A Socket.IO client by hand, so that its CONNECT leaves when the test says so. */
class RawClient {
  readonly packets = new Seen<string>();
  isOpen = true;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (message: Buffer) => (String(message) === '2' ? socket.send('3') : this.packets.add(String(message))));
    socket.on('close', () => (this.isOpen = false));
    socket.on('error', () => undefined);
    afterwards(() => socket.terminate());
  }

  static async open(server: BusServer): Promise<RawClient> {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const client = new RawClient(socket);
    await once(socket, 'open');
    await client.packets.atLeast(1);
    return client;
  }

  connect(pid?: string): void {
    this.socket.send(`40${JSON.stringify({ token: kMallory, pid })}`);
  }

  async pid(): Promise<string> {
    const packets = await this.packets.until((all) => all.some((packet) => packet.startsWith('40')));
    return (JSON.parse(packets.find((packet) => packet.startsWith('40'))!.slice(2)) as { pid: string }).pid;
  }

  photos(): string[] {
    return this.packets.things.filter((packet) => packet.includes('"photo.uploaded"')).map((packet) => /"photoId":"(\d+)"/.exec(packet)![1]!);
  }
}

test.each(['1', '2'])('of three sockets that connect with one pid at once exactly one stays, on %s reactors', async (reactors) => {
  // The sessions of connected sockets are looked at every few milliseconds here.
  const server = await BusServer.start({ settings: { reactors, session_ttl: '1s' } });
  const api = sdk(server, serviceToken('api'));
  let photo = 0;
  for (let round = 0; round < 20; ++round) {
    const first = await RawClient.open(server);
    first.connect();
    const pid = await first.pid();
    const clients = await Promise.all([RawClient.open(server), RawClient.open(server), RawClient.open(server)]);
    first.socket.terminate();
    for (const client of clients) client.connect(pid);

    const photoId = `${++photo}`;
    await expect.poll(() => clients.filter(({ isOpen }) => isOpen).length).toBe(1);
    await api.publish('photo.uploaded', { photoId, userId: 'mallory', filename: 'x.jpg' });
    const [stays] = clients.filter(({ isOpen }) => isOpen);
    await stays!.packets.until((all) => all.some((packet) => packet.includes(`"photoId":"${photoId}"`)));

    expect(clients.filter((client) => client.photos().includes(photoId))).toEqual([stays]);
    stays!.socket.terminate();
  }
  // The server lives, and the pid can be used again.
  const last = await RawClient.open(server);
  last.connect();
  expect(await last.pid()).toMatch(/./);
});
