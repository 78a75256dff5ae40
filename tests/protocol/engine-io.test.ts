// Engine.IO v4: the cases of the public suite, and what the reference does beside.

import { describe, expect, it } from 'vitest';

import { httpUrl, kPingIntervalMs, kPingTimeoutMs, livesWhileItAnswers, parseOpen, pingedPolling, pingedWebSocket, Polling, pollAfterSilence, Socket, useEchoServer, wait } from './support/echo.js';

const kPath = '/engine.io/';

useEchoServer();

const status = async (query: string, method = 'GET'): Promise<number> => (await fetch(httpUrl(kPath, query), { method })).status;

function expectOpen(packet: string, upgrades: string[]): void {
  const opened = parseOpen(packet);
  expect(Object.keys(opened).sort()).toEqual(['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
  expect(opened).toMatchObject({ upgrades, pingInterval: kPingIntervalMs, pingTimeout: kPingTimeoutMs, maxPayload: 1_000_000 });
  expect(opened.sid).toMatch(/^[A-Za-z0-9_-]{15,}$/);
}

async function probe(sid: string): Promise<Socket> {
  const socket = new Socket(kPath, `EIO=4&transport=websocket&sid=${sid}`);
  await socket.opened;
  socket.send('2probe');
  expect(await socket.text()).toBe('3probe');
  return socket;
}

describe('handshake over polling', () => {
  it('opens a session', async () => {
    const response = await fetch(httpUrl(kPath, 'EIO=4&transport=polling'));
    expect(response.status).toBe(200);
    expectOpen(await response.text(), ['websocket']);
  });
  it('refuses a missing or unknown version', async () => {
    expect(await status('transport=polling')).toBe(400);
    expect(await status('EIO=abc&transport=polling')).toBe(400);
    expect(await status('EIO=3&transport=polling')).toBe(400);
  });
  it('refuses a missing or unknown transport', async () => {
    expect(await status('EIO=4')).toBe(400);
    expect(await status('EIO=4&transport=abc')).toBe(400);
  });
  it('refuses other methods than GET', async () => {
    expect(await status('EIO=4&transport=polling', 'POST')).toBe(400);
    expect(await status('EIO=4&transport=polling', 'PUT')).toBe(400);
  });
});

describe('handshake over WebSocket', () => {
  it('opens a session', async () => {
    const socket = Socket.overWebSocket(kPath);
    expectOpen(await socket.text(), []);
    socket.close();
  });
  it.each(['transport=websocket', 'EIO=abc&transport=websocket', 'EIO=4', 'EIO=4&transport=abc'])('refuses %s', async (query) => {
    const socket = new Socket(kPath, query);
    await socket.closed;
    expect(socket.error?.message).toContain('400');
  });
});

describe('messages over polling', () => {
  it.each([
    ['one text', '4hello'],
    ['several texts', '4test1\x1e4test2\x1e4test3'],
    ['text and binary', '4hello\x1ebAQIDBA=='],
    ['signs of two to four bytes', '4ä€😀'],
  ])('come back: %s', async (_name, payload) => {
    const session = await Polling.open(kPath);
    expect(await session.post(payload)).toEqual({ status: 200, body: 'ok' });
    expect(await session.poll()).toEqual({ status: 200, body: payload });
  });
  it.each(['abc', '', '4a\x1e'])('of a wrong format end the session: %j', async (payload) => {
    const session = await Polling.open(kPath);
    expect((await session.post(payload)).status).toBe(400);
    expect((await session.poll()).status).toBe(400);
  });
  it('end the session when two polls wait at once', async () => {
    const session = await Polling.open(kPath);
    const [first, second] = await Promise.all([session.poll(), wait(5).then(() => session.poll('&t=burst'))]);
    expect(first).toEqual({ status: 200, body: '1' });
    expect(second.status).toBe(400);
    expect((await session.poll()).status).toBe(400);
  });
  it('may have exactly maxPayload bytes, and no more', async () => {
    const session = await Polling.open(kPath);
    const most = '4' + 'x'.repeat(999_999);
    expect((await session.post(most)).status).toBe(200);
    expect((await session.poll()).body).toBe(most);
    const more = await session.post(most + 'x').catch(() => ({ status: 413 }));
    expect(more.status).toBe(413);
  });
});

describe('messages over WebSocket', () => {
  it('come back: text', async () => {
    const socket = await Socket.open(kPath);
    socket.send('4hello');
    expect(await socket.text()).toBe('4hello');
    socket.close();
  });
  it('come back: binary', async () => {
    const socket = await Socket.open(kPath);
    socket.send(Uint8Array.of(1, 2, 3, 4));
    expect(await socket.next()).toEqual(Uint8Array.of(1, 2, 3, 4));
    socket.close();
  });
  it.each(['abc', '', '2', '9'])('of a wrong format end the session: %j', async (packet) => {
    const socket = await Socket.open(kPath);
    socket.send(packet);
    await socket.closed;
  });
  it('of more than maxPayload bytes close it with 1009', async () => {
    const socket = await Socket.open(kPath);
    socket.send('4' + 'x'.repeat(1_000_000));
    expect(await socket.closed).toBe(1009);
  });
});

describe('heartbeat', () => {
  it('goes on over polling while it is answered', () => livesWhileItAnswers(() => pingedPolling(kPath)));
  it('ends a polling session that does not answer', async () => {
    expect(await pollAfterSilence(kPath)).toBe(400);
  });
  it('goes on over WebSocket while it is answered', () => livesWhileItAnswers(() => pingedWebSocket(kPath)));
  it('ends a WebSocket that does not answer, whatever else it sends', async () => {
    const socket = await Socket.open(kPath);
    const chatter = setInterval(() => socket.send('4still here'), 50);
    await socket.closed;
    clearInterval(chatter);
  });
});

describe('close', () => {
  it('by the client over polling lets the waiting poll go', async () => {
    const session = await Polling.open(kPath);
    const [poll, post] = await Promise.all([session.poll(), wait(20).then(() => session.post('1'))]);
    expect(poll).toEqual({ status: 200, body: '6' });
    expect(post).toEqual({ status: 200, body: 'ok' });
    expect((await session.poll()).status).toBe(400);
  });
  it('by the client over WebSocket closes it', async () => {
    const socket = await Socket.open(kPath);
    socket.send('1');
    await socket.closed;
  });
});

describe('upgrade', () => {
  it('goes from polling to WebSocket', async () => {
    const session = await Polling.open(kPath);
    const socket = await probe(session.sid);
    expect(await session.poll()).toEqual({ status: 200, body: '6' });
    socket.send('5');
    socket.send('4hello');
    expect(await socket.packet()).toBe('4hello');
    socket.close();
  });
  it('keeps the order of what falls into it', async () => {
    const session = await Polling.open(kPath);
    await session.post('4one');
    const socket = await probe(session.sid);
    await session.post('4two');
    expect((await session.poll()).body).toBe('4one\x1e4two');
    await session.post('4three');
    socket.send('5');
    socket.send('4four');
    expect(await socket.packet()).toBe('4three');
    expect(await socket.packet()).toBe('4four');
    socket.close();
  });
  it('leaves no way back to polling', async () => {
    const session = await Polling.open(kPath);
    const socket = await probe(session.sid);
    socket.send('5');
    socket.send('4sync');
    expect(await socket.packet()).toBe('4sync');
    expect(await session.poll()).toEqual({ status: 400, body: '{"code":3,"message":"Bad request"}' });
    socket.send('4hello');
    expect(await socket.packet()).toBe('4hello');
    socket.close();
  });
  it('turns a second WebSocket of the session away, and the first lives', async () => {
    const session = await Polling.open(kPath);
    const socket = await probe(session.sid);
    socket.send('5');
    socket.send('4sync');
    expect(await socket.packet()).toBe('4sync');
    const second = new Socket(kPath, `EIO=4&transport=websocket&sid=${session.sid}`);
    await second.closed;
    expect(second.error).toBeUndefined();
    socket.send('4hello');
    expect(await socket.packet()).toBe('4hello');
    socket.close();
  });
});
