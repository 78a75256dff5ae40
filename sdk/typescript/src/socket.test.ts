import { EventEmitter } from 'node:events';

import type { Socket as Engine } from 'engine.io-client';
import { expect, test, vi } from 'vitest';

import type { Session } from './socket.js';
import { Socket } from './socket.js';
import { kNoBus } from './why-closed.js';

const kMinuteMs = 60_000;

/** A socket on an engine that is open, and all that it sent and told. */
function opened(session: Session = {}) {
  const happened: unknown[] = [];
  const note = (what: string) => (...args: unknown[]) => void happened.push([what, ...args]);
  const engine = Object.assign(new EventEmitter(), { transport: { name: 'websocket', close() {} }, writeBuffer: [], write: note('sent'), close: note('closes') });
  const socket = new Socket(engine as unknown as Engine, 1_000, session, {
    connected: note('connected'),
    refused: note('refused'),
    emitted: note('emitted'),
    upgraded: note('upgraded'),
    closed: (why) => happened.push(['closed', why]),
  });
  const happens = () => happened.splice(0);
  return { engine, socket, session, happens, gets: (data: unknown) => engine.emit('data', data), answer: note('answer') };
}

function connected(session?: Session, pid?: string) {
  const all = opened(session);
  all.socket.connect({}, false, kMinuteMs);
  all.gets(`0${JSON.stringify({ sid: 's', pid })}`);
  all.happens();
  return all;
}

test('nothing is sent before CONNECT, and CONNECT carries what signs in', () => {
  const { socket, happens, gets } = opened();
  expect(happens()).toEqual([]);

  socket.connect({ token: 't', since: undefined }, false, kMinuteMs);
  expect(happens()).toEqual([['sent', '0{"token":"t"}']]);
  expect(socket.isConnected).toBe(false);
  gets('0{"sid":"s"}');

  expect(happens()).toEqual([['connected']]);
  expect(socket).toMatchObject({ isConnected: true, recovered: false, maxPayload: 1_000, transport: 'websocket' });
});

test('a refusal ends it, with what the server says', () => {
  const { socket, happens, gets } = opened();
  socket.connect({}, false, kMinuteMs);
  gets('4{"message":"No.","data":{"code":"forbidden"}}');
  gets('0{"sid":"s"}');

  expect(happens()).toEqual([['sent', '0{}'], ['closes'], ['refused', 'No.', { code: 'forbidden' }]]);
});

test('events and answers are told in their order, each answer once', () => {
  const { socket, happens, gets, answer } = connected();
  socket.send('publish', [{ type: 'tick' }, undefined], kMinuteMs, answer);
  socket.send('subscribe', [], kMinuteMs, answer);

  gets('2["tick",{"n":1},"line\\nbreak"]');
  gets('31[{"ok":true}]');
  gets('30[{"ok":false}]');
  gets('31[{"ok":true}]');
  gets('2["end"]');

  expect(happens()).toEqual([
    ['sent', '20["publish",{"type":"tick"},null]'],
    ['sent', '21["subscribe"]'],
    ['emitted', 'tick', [{ n: 1 }, 'line\nbreak']],
    ['answer', undefined, { ok: true }],
    ['answer', undefined, { ok: false }],
    ['emitted', 'end', []],
  ]);
});

test('the session that is known is asked for with the last place, whichever session that was of', () => {
  const session: Session = {};
  const { gets } = connected(session);
  gets('2["a",{},"1.1"]');
  expect(session).toEqual({}); // no session, no place
  const second = connected(session, 'p');
  second.gets('2["a",{},"1.2"]');
  second.gets('2["a",{},{"offset":"1.9"}]');
  expect(session).toEqual({ pid: 'p', offset: '1.2' });

  const third = opened(session);
  third.socket.connect({ token: 't' }, false, kMinuteMs);
  third.gets('0{"sid":"s","pid":"p"}');
  expect(third.happens()).toEqual([['sent', '0{"pid":"p","offset":"1.2","token":"t"}'], ['connected']]);
  expect(third.socket.recovered).toBe(true);
  const anew = opened(session);
  anew.socket.connect({}, true, kMinuteMs);
  anew.gets('0{"sid":"s","pid":"q"}');
  expect(anew.happens()).toEqual([['sent', '0{}'], ['connected']]);
  expect([anew.socket.recovered, session]).toEqual([false, { pid: 'q', offset: '1.2' }]);
});

test.each([
  '', 'a', '2', '2{}', '2[]', '2[1]', '2["a"', '3{}', '6["a"]', '7', '0{"sid":"again"}', '4{"message":"late"}',
  '2/other,["a"]', '51-["a",{"_placeholder":true,"num":0}]', new Uint8Array([1]), undefined,
])('%o ends the connection, and nothing is told behind it', (malformed) => {
  const { socket, happens, gets, answer } = connected();
  socket.send('publish', [], kMinuteMs, answer);
  happens();

  gets(malformed);
  gets('2["a"]');
  gets('30[{}]');

  expect(happens()).toEqual([['closes'], ['closed', kNoBus], ['answer', 'closed']]);
});

test.each(['2["early"]', '30[]', '0{}', '0', '0"s"', '4', '40'])('%s for an answer to CONNECT ends the connection', (malformed) => {
  const { socket, happens, gets } = opened();
  socket.connect({}, false, kMinuteMs);
  gets(malformed);

  expect(happens()).toEqual([['sent', '0{}'], ['closes'], ['closed', kNoBus]]);
});

test('an answer to a CONNECT that was not sent ends the connection', () => {
  const { happens, gets } = opened();
  gets('0{"sid":"s"}');

  expect(happens()).toEqual([['closes'], ['closed', kNoBus]]);
});

test('an end by the server, or of the connection, is told before the commands that it leaves without an answer', () => {
  for (const [end, why] of [[(all: ReturnType<typeof opened>) => all.gets('1'), 'the server ended it'], [(all: ReturnType<typeof opened>) => all.engine.emit('close', 'ping timeout'), 'ping timeout']] as const) {
    const all = connected();
    all.socket.send('publish', [], kMinuteMs, all.answer);
    all.happens();
    end(all);
    expect(all.happens()).toEqual([['closes'], ['closed', why], ['answer', 'closed']]);
  }
});

test('close() says goodbye if there is somebody to say it to, settles what waits, and tells nothing more', () => {
  const early = opened();
  early.socket.connect({}, false, kMinuteMs);
  early.happens();
  early.socket.close();
  early.gets('0{"sid":"s"}');
  expect(early.happens()).toEqual([['closes']]);
  const { engine, socket, happens, gets, answer } = connected();
  socket.send('publish', [], kMinuteMs, answer);
  happens();

  socket.close();
  engine.emit('upgrade');
  gets('2["a"]');
  engine.emit('close', 'forced close');
  socket.connect({}, false, kMinuteMs);

  expect(happens()).toEqual([['sent', '1'], ['closes'], ['answer', 'closed']]);
});

test('a command that is not answered in time is told so once, its answer still counts, and the connection goes on', async () => {
  const { socket, happens, gets, answer } = connected();
  socket.send('publish', [], 5, answer);
  socket.send('subscribe', [], 5, answer);
  await new Promise((resolve) => setTimeout(resolve, 50));
  gets('30[{"ok":true}]');
  gets('30[{"ok":true}]');
  expect(socket.isConnected).toBe(true);
  socket.close();

  expect(happens()).toEqual([
    ['sent', '20["publish"]'],
    ['sent', '21["subscribe"]'],
    ['answer', 'timeout'],
    ['answer', 'timeout'],
    ['answer', undefined, { ok: true }],
    ['sent', '1'],
    ['closes'],
  ]);
});

test('no answer is late while the transport holds what was sent, or behind much that is on its way', () => {
  vi.useFakeTimers();
  const { engine, socket, happens, answer } = connected();
  const { transport } = engine as unknown as { transport: { ws?: { bufferedAmount: number } } };
  socket.send('publish', ['x'.repeat(80_000)], 1_000, answer);
  socket.send('ack', [], 1_000, answer);
  happens();
  vi.advanceTimersByTime(10_900);
  expect(happens()).toEqual([]);

  transport.ws = { bufferedAmount: 1 };
  vi.advanceTimersByTime(60_000);
  expect(happens()).toEqual([]);
  transport.ws.bufferedAmount = 0;
  vi.advanceTimersByTime(1_000);

  expect(happens()).toEqual([['answer', 'timeout'], ['answer', 'timeout']]);
  socket.close();
  vi.useRealTimers();
});

test('what is too long for a CONNECT is not kept, and an answer without a number is none', () => {
  const session: Session = {};
  const { socket, gets, happens, answer } = connected(session, 'p');
  gets('2["a",{},"1.2"]');
  gets(`2["a",{},"${'x'.repeat(300)}"]`);
  expect(session).toEqual({ pid: 'p', offset: '1.2' });
  connected(session, 'p'.repeat(300));
  expect(session.pid).toBeUndefined();

  socket.send('subscribe', [], kMinuteMs, answer);
  happens();
  gets('3[{"ok":true}]');
  expect(happens()).toEqual([]);
  socket.close();
});
