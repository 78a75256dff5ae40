// A server that stood still for longer than every time-out: what came in time counts.
import { Agent, request } from 'node:http';

import { expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { afterwards } from './support/clean-up.js';
import { sdk } from './support/clients.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken } from './support/tokens.js';

const kPauseMs = 2_500;
const kUpload = { photoId: '1', userId: 'alice', filename: 'a.jpg' };
const upload = (photoId: string) => ({ ...kUpload, photoId });

test('nobody is closed whose pong came in time, over either transport', async () => {
  const server = await BusServer.start({ settings: { ping_interval: '300ms', ping_timeout: '2s' } });
  const sockets = await Promise.all(Array.from({ length: 100 }, () => openWebSocket(server)));
  const sessions = await Promise.all(Array.from({ length: 50 }, () => openPolling(server)));
  await Promise.all([...sockets.map((socket) => socket.packets.until((all) => all.includes('2'))), ...sessions.map(untilPing)]);

  const answers: Promise<Response>[] = [];
  await server.pause(kPauseMs, () => {
    for (const { socket } of sockets) socket.send('3');
    for (const session of sessions) answers.push(fetch(session, { method: 'POST', body: '3' }));
  });

  await Promise.all(sockets.map(({ packets }) => packets.until((all) => all.filter((packet) => packet === '2').length >= 2)));
  expect(sockets.filter(({ socket }) => socket.readyState !== WebSocket.OPEN)).toHaveLength(0);
  expect((await Promise.all(answers)).filter(({ status }) => status !== 200)).toHaveLength(0);
  await Promise.all(sessions.map(untilPing));
});

test('no kept connection loses the publish that it was sent', async () => {
  const server = await BusServer.start({ settings: { http_idle_timeout: '1s' } });
  const agent = new Agent({ keepAlive: true, maxSockets: 100, maxFreeSockets: 100 });
  afterwards(() => agent.destroy());
  const publish = (n: number) =>
    new Promise<{ status: number | undefined; reused: boolean }>((resolve, reject) => {
      const sent = request(`${server.url}/v1/events`, { agent, method: 'POST', headers: { authorization: `Bearer ${serviceToken('api')}`, 'content-type': 'application/json' } }, (response) => {
        response.resume().on('end', () => resolve({ status: response.statusCode, reused: sent.reusedSocket }));
      });
      sent.on('error', reject).end(JSON.stringify({ type: 'photo.uploaded', data: upload(`${n}`) }));
    });
  const all = () => Array.from({ length: 100 }, (_, n) => publish(n));
  await Promise.all(all());

  let answers: ReturnType<typeof all> = [];
  await server.pause(kPauseMs, () => (answers = all()));

  const got = await Promise.allSettled(answers);
  expect(got).toEqual(got.map(() => ({ status: 'fulfilled', value: { status: 200, reused: true } })));
});

test('no event of a group is given out again that was acknowledged in time', async () => {
  const server = await BusServer.start({ settings: { group_ack_wait: '2s' } });
  const attempts = new Seen<number>();
  let finish = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  for (let member = 0; member < 20; ++member) {
    await sdk(server, serviceToken('worker')).subscribe('photo.uploaded', async (_event, delivery) => {
      attempts.add(delivery?.attempt ?? 0);
      await finished;
    });
  }
  const api = sdk(server, serviceToken('api'));
  await Promise.all(Array.from({ length: 160 }, (_, n) => api.publish('photo.uploaded', upload(`${n}`))));
  await attempts.atLeast(160);

  await server.pause(kPauseMs, finish);

  await api.publish('photo.uploaded', upload('last'));
  await attempts.atLeast(161);
  expect(attempts.things).toEqual(Array.from({ length: 161 }, () => 1));
});

interface Open {
  readonly socket: WebSocket;
  readonly packets: Seen<string>;
}

function openWebSocket(server: BusServer): Promise<Open> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const packets = new Seen<string>();
  socket.on('message', (data: Buffer) => packets.add(data.toString()));
  afterwards(() => socket.terminate());
  return new Promise((resolve, reject) => socket.once('open', () => resolve({ socket, packets })).once('error', reject));
}

/** Gives the address of the session. */
async function openPolling(server: BusServer): Promise<string> {
  const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1)) as { sid: string };
  return `${url}&sid=${sid}`;
}

async function untilPing(session: string): Promise<void> {
  const response = await fetch(session);
  expect(response.status).toBe(200);
  const packets = (await response.text()).split('\x1e');
  if (!packets.includes('2')) await untilPing(session);
}
