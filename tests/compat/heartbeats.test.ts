// Heartbeats of 300 ms: who sends what when, and, with 200 ms for an answer, who is taken for dead.
import { expect, test } from 'vitest';

import { usePair } from './support/pair.js';
import { RawPolling, RawSocket } from './support/raw.js';
import { kTransports, kVersions } from './support/versions.js';
import type { Options } from './support/witness.js';
import { Witness } from './support/witness.js';

const quick = usePair({ pace: 'quick' });
const steady = usePair({ pace: 'steady' });  // for who answers each ping, but may be late

async function both<Told>(run: (url: string) => Promise<Told>, pair = quick): Promise<[Told, Told]> {
  return Promise.all([run(pair.reference.url), run(pair.ours.url)]);
}

test.concurrent.each<[string, Options]>([
  ['WebSocket', { transports: ['websocket'] }],
  ['polling', { transports: ['polling'] }],
  ['upgrade', {}],
])('a client lives on, over %s', async (_transport, options) => {
  const [expected, seen] = await both(async (url) => {
    const client = new Witness(url, options);
    let pings = 0;
    await new Promise<void>((resolve) => client.socket.io.on('ping', () => (++pings === 4 ? resolve() : undefined)));
    await client.fence();
    client.socket.disconnect();
    return client.saw.things;
  }, steady);

  expect(seen).toEqual(expected);
});

const kClients = Object.entries(kVersions).flatMap(([version, { io }]) => Object.entries(kTransports).map(([transport, options]) => ({ version, transport, io, options })));

test.concurrent.each(kClients)('heartbeats go on while data flows both ways: $version, over $transport', async ({ io, options }) => {
  const [expected, seen] = await both(async (url) => {
    const client = new Witness(url, options, io);
    const { socket } = client;
    let pings = 0;
    socket.io.engine.on('packet', ({ type }) => (pings += type === 'ping' ? 1 : 0));  // 3.1 has no `ping` of the manager
    // Until the fourth ping there is always something on its way in each direction.
    for (let at = 0; pings < 4; ++at) {
      await Promise.all([at, at, at].map((n) => new Promise<void>((resolve) => socket.emit('message-with-ack', n, 'x'.repeat(2_000), () => resolve()))));
      if (at % 10 === 0) socket.emit('burst', 3, 2_000);
    }
    socket.disconnect();
    return client.saw.things.filter((line) => !line.startsWith('event burst'));
  }, steady);

  expect(seen).toEqual(expected);
  expect(seen).not.toContain('disconnect ping timeout, active: true');
});

test.concurrent.each<[string, (socket: RawSocket) => void]>([
  ['says nothing', () => undefined],
  ['sends messages, but no pong', (socket) => socket.send('4still here')],
  ['sends pongs before it is asked', (socket) => socket.send('3', '3')],
])('a WebSocket that %s is closed after the first ping', async (_name, act) => {
  const [expected, seen] = await both(async (url) => {
    const begin = performance.now();
    const socket = new RawSocket(`${url}/engine.io/`);
    await socket.until(/^0/);
    act(socket);
    await socket.until(/^2$/);
    expect(performance.now() - begin).toBeGreaterThan(290);
    act(socket);
    await socket.until(/^closed/);
    expect(performance.now() - begin).toBeGreaterThan(480);
    return socket.saw.things;
  });

  expect(seen).toEqual(expected);
});

test.concurrent('a poll brings the ping, and without a pong the session ends', async () => {
  const [expected, seen] = await both(async (url) => {
    const session = await RawPolling.open(`${url}/engine.io/`);
    const packets = await session.drain(/^2$/);
    return [...packets, ...(await session.drain(/^never$/))];
  });

  expect(seen).toEqual(expected);
  expect(seen).toEqual(['2', 'over']);
});

test.concurrent('a session that does not poll ends', async () => {
  const [expected, seen] = await both(async (url) => {
    const session = await RawPolling.open(`${url}/engine.io/`);
    for (;;) {  // POSTs are no pongs
      const { status } = await session.post('4x');
      if (status !== 200) return status;
    }
  });

  expect(seen).toBe(expected);
});
