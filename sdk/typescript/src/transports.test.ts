import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';

import { expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';

import type { ScriptedBus } from '../test/scripted-bus.js';
import { afterwards, clientOf, rejection, Seen, startBus } from '../test/support.js';
import type { Upgrades } from '../test/web-proxy.js';
import { WebProxy } from '../test/web-proxy.js';
import type { ConnectionState, EventBus } from './index.js';

const kLate = 'It was not open after 2 s: does a proxy hold it back?';

async function behindProxy(upgrades: Upgrades): Promise<{ bus: ScriptedBus; proxy: WebProxy }> {
  const bus = await startBus();
  const proxy = await WebProxy.start(bus.url, upgrades);
  afterwards(() => proxy.stop());
  return { bus, proxy };
}

function statesOf(client: EventBus): Seen<ConnectionState> {
  const states = new Seen<ConnectionState>();
  client.onState(states.add);
  return states;
}

const isLive = (states: readonly ConnectionState[]) => states.at(-1)?.status === 'live';

test('a client is live on a WebSocket, and says so', async () => {
  const { proxy } = await behindProxy('pass');
  const client = clientOf(proxy);

  await client.publish('tick', {});

  expect(client.state).toEqual({ status: 'live', transport: { name: 'websocket' } });
});

test.each([
  ['swallowed', kLate],
  ['mute', kLate],
  [400, 'Unexpected server response: 400'],
  [502, 'Unexpected server response: 502'],
  [200, 'Unexpected server response: 200'],
] as [Upgrades, string][])('where WebSockets are %s a client is live by polling within 3 s, and says why', async (upgrades, reason) => {
  const { bus, proxy } = await behindProxy(upgrades);
  const client = clientOf(proxy);
  const began = performance.now();

  await client.publish('tick', {});

  expect(performance.now() - began).toBeLessThan(3_000);
  expect(client.state).toEqual({ status: 'live', transport: { name: 'polling', reason } });
  expect(bus.sockets).toHaveLength(1);
});

test('after a WebSocket that did not open, the next connection does not wait for one, and takes it as soon as it opens', async () => {
  const { proxy } = await behindProxy('swallowed');
  const client = clientOf(proxy);
  const states = statesOf(client);
  await client.subscribe('photo:1', () => {});
  for (const upgrades of ['swallowed', 'pass'] as const) {
    proxy.upgrades = upgrades;
    await new Promise((resolve) => setTimeout(resolve, 100)); // a poll waits again
    const began = performance.now();
    states.things.length = 0;
    proxy.cut();
    await states.until((all) => all.some(({ status }) => status === 'reconnecting') && isLive(all));
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(proxy.asked.at(-1)).toContain('&sid='); // polling went first
    if (upgrades !== 'pass') expect(states.things.find(({ status }) => status === 'live')?.transport).toEqual({ name: 'polling', reason: kLate });
  }

  await states.until((all) => all.at(-1)?.transport?.name === 'websocket');
  expect(client.state).toMatchObject({ status: 'live', transport: { name: 'websocket' } });
  expect(client.state.transport).toEqual({ name: 'websocket' });
  proxy.cut();
  await states.until((all) => all.at(-1)?.status === 'reconnecting');
  await states.until(isLive);
  expect(proxy.asked.at(-1)).not.toContain('&sid='); // WebSocket goes first again
});

test('a WebSocket that is only slow is taken once it opens, while polling is at work', async () => {
  const { proxy } = await behindProxy('swallowed');
  const client = clientOf(proxy);
  const states = statesOf(client);
  client.on('**', () => {});
  await vi.waitFor(() => expect(proxy.asked).toHaveLength(1));
  proxy.upgrades = 'pass';

  await states.until((all) => all.at(-1)?.transport?.name === 'websocket');

  expect(states.things.some(({ status }) => status === 'reconnecting')).toBe(false);
});

test('a restart of the server is no reason to poll', async () => {
  const { bus, proxy } = await behindProxy('pass');
  const client = clientOf(proxy);
  const states = statesOf(client);
  await client.subscribe('photo:1', () => {});

  await bus.stop();
  await states.until((all) => all.at(-1)?.error !== undefined);
  await bus.listen();
  await states.until(isLive);

  expect(client.state.transport).toEqual({ name: 'websocket' });
});

test('transports that the app chose stay as they are', async () => {
  const { bus, proxy } = await behindProxy('swallowed');

  const polling = clientOf(proxy, { socketOptions: { transports: ['polling'] } });
  await polling.publish('tick', {});
  expect(polling.state.transport).toEqual({ name: 'polling' });
  expect(proxy.asked).toEqual([]);
  const upgrading = clientOf(bus, { socketOptions: { transports: ['polling', 'websocket'] } });
  const states = statesOf(upgrading);
  await upgrading.publish('tick', {});
  await states.until((all) => all.at(-1)?.transport?.name === 'websocket');
  const webSocket = clientOf(proxy, { socketOptions: { transports: ['websocket'], timeout: 2_500 } });
  expect((await rejection(webSocket.publish('tick', {}, { timeoutMs: 3_000 }))).message).toContain('cannot be reached: timeout'); // it may be a slow one
});

test('a WebSocket whose constructor throws is no reason to wait', async () => {
  const { bus } = await behindProxy('pass');
  const client = clientOf(bus, { socketOptions: { protocols: 'no such; protocol' } }); // what a page without `ws:` gets, too

  await client.publish('tick', {});

  expect(client.state.transport).toEqual({ name: 'polling', reason: expect.stringContaining('constructor failed') });
});

const kHandshake = JSON.stringify({ sid: 'a', upgrades: [], pingInterval: 25_000, pingTimeout: 20_000 });

test.each(['websocket', 'polling'] as const)('what is no handshake, or comes instead of one or after it, ends a try over %s and nothing else', async (name) => {
  for (const texts of [['0'], ['0{bad'], ['0null'], ['0[]'], ['05'], ['0{}'], ['0{"sid":"a","upgrades":null,"pingInterval":1,"pingTimeout":1}'], ['40{"sid":"a"}'], [`0${kHandshake}`, '0null'], [`0${kHandshake}`, `0${kHandshake}`]]) {
    const http = createServer((_asked, answer) => answer.end(texts.join('\x1e')));
    new WebSocketServer({ server: http }).on('connection', (socket) => texts.forEach((text) => socket.send(text)));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const client = clientOf({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }, { socketOptions: { transports: [name] } });

    const { message } = await rejection(client.ready({ timeoutMs: 300 }));

    expect(message, texts.join()).toContain('not an event bus');
    await client.close({ drainMs: 0 });
    http.closeAllConnections();
    http.close();
  }
});

test.each(['websocket', 'polling'] as const)('a try over %s that nobody answers leaves nothing open', async (name) => {
  const open = new Set<Socket>();
  let tries = 0;
  const server = createTcpServer((socket) => {
    ++tries;
    open.add(socket.resume().on('error', () => {}).on('close', () => open.delete(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = clientOf({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { socketOptions: { transports: [name], timeout: 50 } });
  client.on('**', () => {});

  await vi.waitFor(() => expect(tries).toBeGreaterThan(3));
  expect(open.size).toBeLessThan(3);
  await client.close();
  await vi.waitFor(() => expect(open.size).toBe(0), 2_000);

  server.close();
});
