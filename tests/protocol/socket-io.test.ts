// Socket.IO v5: the cases of the public suite, those of Engine.IO included, and the real client.

import { io } from 'socket.io-client';
import { describe, expect, it } from 'vitest';

import { httpUrl, kPingIntervalMs, kPingTimeoutMs, livesWhileItAnswers, parseOpen, pingedPolling, pingedWebSocket, Polling, pollAfterSilence, serverUrl, silentWebSocketEnds, Socket, useEchoServer, wait } from './support/echo.js';

const kPath = '/socket.io/';
const kTwoPlaceholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';

useEchoServer();

const status = async (query: string, method = 'GET'): Promise<number> => (await fetch(httpUrl(kPath, query), { method })).status;

/** Joins a namespace and returns what `auth` said. */
async function join(connect: string, answer: string): Promise<{ socket: Socket; auth: string | Uint8Array }> {
  const socket = await Socket.open(kPath);
  socket.send(connect);
  const connected = await socket.text();
  expect(connected.startsWith(answer)).toBe(true);
  expect(Object.keys(JSON.parse(connected.slice(answer.length)) as object)).toEqual(['sid']);
  return { socket, auth: await socket.packet() };
}

describe('Engine.IO below', () => {
  it('opens a session over polling', async () => {
    const session = await fetch(httpUrl(kPath, 'EIO=4&transport=polling'));
    expect(parseOpen(await session.text())).toMatchObject({ upgrades: ['websocket'], pingInterval: kPingIntervalMs, maxPayload: 1_000_000 });
  });
  it('opens a session over WebSocket', async () => {
    const socket = Socket.overWebSocket(kPath);
    expect(parseOpen(await socket.text())).toMatchObject({ upgrades: [], pingTimeout: kPingTimeoutMs });
    socket.close();
  });
  it.each(['transport=polling', 'EIO=abc&transport=polling', 'EIO=4', 'EIO=4&transport=abc'])('refuses %s', async (query) => {
    expect(await status(query)).toBe(400);
  });
  it.each(['POST', 'PUT'])('refuses to open by %s', async (method) => {
    expect(await status('EIO=4&transport=polling', method)).toBe(400);
  });
  it.each(['transport=websocket', 'EIO=abc&transport=websocket', 'EIO=4', 'EIO=4&transport=abc'])('refuses a WebSocket with %s', async (query) => {
    await new Socket(kPath, query).closed;
  });
  it('pings over polling', () => livesWhileItAnswers(() => pingedPolling(kPath)));
  it('ends a polling session by ping time-out', async () => {
    expect(await pollAfterSilence(kPath)).toBe(400);
  });
  it('pings over WebSocket', () => livesWhileItAnswers(() => pingedWebSocket(kPath)));
  it('ends a WebSocket by ping time-out', () => silentWebSocketEnds(kPath));
  it('closes over polling', async () => {
    const session = await Polling.open(kPath);
    const [poll] = await Promise.all([session.poll(), wait(20).then(() => session.post('1'))]);
    expect(poll).toEqual({ status: 200, body: '6' });
    expect((await session.poll()).status).toBe(400);
  });
  it('closes over WebSocket', async () => {
    const socket = await Socket.open(kPath);
    socket.send('1');
    await socket.closed;
  });
  it('upgrades, and leaves no way back', async () => {
    const session = await Polling.open(kPath);
    const socket = new Socket(kPath, `EIO=4&transport=websocket&sid=${session.sid}`);
    await socket.opened;
    socket.send('2probe');
    expect(await socket.text()).toBe('3probe');
    socket.send('5');
    socket.send('40');
    expect((await socket.text()).startsWith('40{"sid":')).toBe(true);
    expect((await session.poll()).status).toBe(400);
    await new Socket(kPath, `EIO=4&transport=websocket&sid=${session.sid}`).closed;
    socket.close();
  });
});

describe('connect', () => {
  it.each([
    ['the main namespace', '40', '40', '42["auth",{}]'],
    ['the main namespace with a payload', '40{"token":"123"}', '40', '42["auth",{"token":"123"}]'],
    ['a custom namespace', '40/custom,', '40/custom,', '42/custom,["auth",{}]'],
    ['a custom namespace without a comma', '40/custom', '40/custom,', '42/custom,["auth",{}]'],
    ['a custom namespace with a payload', '40/custom,{"token":"abc"}', '40/custom,', '42/custom,["auth",{"token":"abc"}]'],
  ])('joins %s', async (_name, connect, answer, auth) => {
    const joined = await join(connect, answer);
    expect(joined.auth).toBe(auth);
    joined.socket.close();
  });
  it('refuses an unknown namespace, and the connection stays', async () => {
    const socket = await Socket.open(kPath);
    socket.send('40/random');
    expect(await socket.text()).toBe('44/random,{"message":"Invalid namespace"}');
    socket.send('40');
    expect((await socket.text()).startsWith('40{')).toBe(true);
    socket.close();
  });
  it('has a time limit', async () => {
    const socket = await Socket.open(kPath);
    const pongs = setInterval(() => socket.send('3'), 100);
    await socket.closed;
    clearInterval(pongs);
  });
  it.each(['4abc', '42["message"]', '40{"a":1', '40[]'])('ends the connection over %s', async (packet) => {
    const socket = await Socket.open(kPath);
    socket.send(packet);
    await socket.closed;
  });
  it('ends the connection over a second CONNECT', async () => {
    const socket = await Socket.join();
    socket.send('40');
    await socket.closed;
  });
});

describe('disconnect', () => {
  it('leaves the main namespace, and the connection stays', async () => {
    const socket = await Socket.join();
    socket.send('41');
    expect(await socket.text()).toBe('2');
    socket.send('3');
    socket.send('40');
    expect((await socket.text()).startsWith('40{')).toBe(true);
    socket.close();
  });
  it('leaves a custom namespace, and the main one goes on', async () => {
    const socket = await Socket.join();
    socket.send('40/custom');
    await socket.packet();
    await socket.packet();
    socket.send('41/custom');
    socket.send('42["message","message to main namespace"]');
    expect(await socket.packet()).toBe('42["message-back","message to main namespace"]');
    socket.close();
  });
});

describe('message', () => {
  it('comes back with its arguments as they were', async () => {
    const socket = await Socket.join();
    socket.send('42["message",1,"2",{"3":[true]}]');
    expect(await socket.packet()).toBe('42["message-back",1,"2",{"3":[true]}]');
    socket.close();
  });
  it('comes back with its attachments', async () => {
    const socket = await Socket.join();
    socket.send(`452-["message",${kTwoPlaceholders}]`);
    socket.send(Uint8Array.of(1, 2, 3));
    socket.send(Uint8Array.of(4, 5, 6));
    expect(await socket.packet()).toBe(`452-["message-back",${kTwoPlaceholders}]`);
    expect(await socket.packet()).toEqual(Uint8Array.of(1, 2, 3));
    expect(await socket.packet()).toEqual(Uint8Array.of(4, 5, 6));
    socket.close();
  });
  it('is acknowledged with its arguments', async () => {
    const socket = await Socket.join();
    socket.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    expect(await socket.packet()).toBe('43456[1,"2",{"3":[false]}]');
    socket.close();
  });
  it('is acknowledged with its attachments', async () => {
    const socket = await Socket.join();
    socket.send(`452-789["message-with-ack",${kTwoPlaceholders}]`);
    socket.send(Uint8Array.of(1, 2, 3));
    socket.send(Uint8Array.of(4, 5, 6));
    expect(await socket.packet()).toBe(`462-789[${kTwoPlaceholders}]`);
    expect(await socket.packet()).toEqual(Uint8Array.of(1, 2, 3));
    expect(await socket.packet()).toEqual(Uint8Array.of(4, 5, 6));
    socket.close();
  });
  it.each(['4abc', '42{}', '42abc["message-with-ack",1]', '42[]', '42["connect"]', '451-["message"]x', '44', '42/nope,["message"]'])(
    'that is malformed ends the connection: %s',
    async (packet) => {
      const socket = await Socket.join();
      socket.send(packet);
      await socket.closed;
    },
  );
  it('with a text where an attachment is due ends the connection', async () => {
    const socket = await Socket.join();
    socket.send('451-["message",{"_placeholder":true,"num":0}]');
    socket.send('42["message"]');
    await socket.closed;
  });
});

describe('the real client', () => {
  it.each([[['websocket']], [['polling']], [['polling', 'websocket']]])('over %j', async (transports) => {
    const socket = io(serverUrl(), { transports, auth: { token: 'x' }, forceNew: true });
    const auth = new Promise((resolve) => socket.on('auth', resolve));
    expect(await auth).toEqual({ token: 'x' });
    const back = new Promise<unknown[]>((resolve) => socket.on('message-back', (...args) => resolve(args)));
    socket.emit('message', 1, 'ä', { deep: [Buffer.from([1, 2])] });
    expect(await back).toEqual([1, 'ä', { deep: [Buffer.from([1, 2])] }]);
    await wait(700); // past a heartbeat and, of the last, the upgrade
    expect(await socket.emitWithAck('message-with-ack', 'last')).toEqual('last');
    expect(socket.io.engine.transport.name).toBe(transports.at(-1));
    socket.disconnect();
  });
  it.each(['websocket', 'polling'])('comes back over %s when its connection was ended', async (transport) => {
    const socket = io(serverUrl(), { transports: [transport], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 20 });
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    const first = socket.id;
    const lost = new Promise((resolve) => socket.once('disconnect', resolve));
    const back = new Promise<void>((resolve) => lost.then(() => socket.once('connect', resolve)));
    socket.io.engine.write('abc'); // a malformed packet: the server ends the session
    await lost;
    await back;
    expect(socket.id).not.toBe(first);
    expect(await socket.emitWithAck('message-with-ack', 1)).toBe(1);
    socket.disconnect();
  });
});
