// What the server tells its operator of clients that break something.
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { connect } from './support/clients.js';
import { BusServer } from './support/server.js';
import { userToken } from './support/tokens.js';

const kAlice = userToken('alice');

async function started(settings: Record<string, string> = {}): Promise<{ server: BusServer; value: (series: string) => Promise<number> }> {
  const server = await BusServer.start({ settings: { admin_listen: '127.0.0.1:0', ...settings } });
  const admin = /admin\D*(127\.0\.0\.1:\d+)/.exec(server.output)![1]!;
  const value = async (series: string) => {
    const page = await (await fetch(`http://${admin}/metrics`)).text();
    return Number(page.split('\n').find((line) => line.startsWith(`${series} `))?.slice(series.length + 1));
  };
  return { server, value };
}

/** Sends `packet` behind a CONNECT, and waits for the close. */
async function breakOff(server: BusServer, packet: string): Promise<number> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  socket.on('open', () => {
    socket.send(`40${JSON.stringify({ token: kAlice })}`);
    socket.send(packet);
  });
  return new Promise((resolve) => socket.on('close', resolve));
}

test('a client that breaks the protocol is counted by the layer, and the debug log says what came', async () => {
  const { server, value } = await started({ log_level: 'debug' });
  const counts = () => Promise.all(['websocket', 'engineio', 'socketio'].map((kind) => value(`eventbus_parse_errors_total{kind="${kind}"}`)));
  expect(await counts()).toEqual([0, 0, 0]);

  expect(await breakOff(server, '42["disconnect"]')).toBe(1008);
  expect(await breakOff(server, '42/other,["publish"]')).toBe(1008);
  expect(await counts()).toEqual([0, 0, 2]);
  await expect.poll(() => server.output).toMatch(/broke the protocol.*socketio.*a reserved event name/);
  await expect.poll(() => server.output).toMatch(/broke the protocol.*socketio.*a packet for a namespace that was not joined/);

  expect(await breakOff(server, '9')).toBe(1008);
  expect(await breakOff(server, '2')).toBe(1008);
  expect(await counts()).toEqual([0, 2, 2]);
  expect(await breakOff(server, `4${'x'.repeat(1_000_001)}`)).toBe(1009);
  expect(await counts()).toEqual([1, 2, 2]);
});

test('a page of an origin that is not allowed is counted, and a warning names the origin and the setting', async () => {
  const { server, value } = await started();
  await connect(server, kAlice, { transports: ['polling'], extraHeaders: { origin: 'https://photo-platform.com' } });
  expect(await value('eventbus_refused_origins_total')).toBe(0);

  await connect(server, kAlice, { transports: ['polling'], extraHeaders: { origin: 'https://staging.photo-platform.com' } });

  expect(await value('eventbus_refused_origins_total')).toBeGreaterThan(0);
  await expect.poll(() => server.output).toMatch(/warning .*allowed_origins.*https:\/\/staging\.photo-platform\.com/);
});
