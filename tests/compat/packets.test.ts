// Packets that no client sends, over a raw WebSocket and raw polling: what ends the connection at npm's
// server, ends it at ours, and what comes back is the same.
import { expect, test } from 'vitest';

import { usePair } from './support/pair.js';
import type { Packet } from './support/raw.js';
import { RawPolling, RawSocket } from './support/raw.js';

interface Case {
  /** With `kThen` between them where the client waits for what comes back. */
  readonly sent: readonly Packet[];
  /** `/engine.io/`, or `/socket.io/` after or before a CONNECT to `/`. */
  readonly to: 'engine' | 'joined' | 'not joined';
}

const kThen = '…';

const bytes = Uint8Array.of(1, 2, 3);
const hole = (num: unknown) => JSON.stringify({ _placeholder: true, num });
const binary = (count: number, ...holes: unknown[]) => `45${count}-["message"${holes.map((num) => `,${hole(num)}`).join('')}]`;
const deep = (depth: number) => `427["message-with-ack",${'['.repeat(depth)}${']'.repeat(depth)}]`;

const kCases: Case[] = [
  // Engine.IO
  ...['', 'abc', '7', '9', ' ', ' 4', 'b', 'bAQID', 'b!', '2', '2probe', '3', '3probe', '4', '4\u0000', '4ü😀', '5', '6', '0{}', '1', '4a'].map((packet): Case => ({ to: 'engine', sent: [packet] })),
  { to: 'engine', sent: [bytes, '4x', new Uint8Array(0), '4y'] },
  { to: 'engine', sent: ['4a', '4b', kThen, '7', '4c'] },

  // Before the first CONNECT
  ...['42["message",1]', '41', '43[1]', '431[1]', '44{}', '4', '4abc', '4{}', '40', '40{}', '40{"a":1}', '40"x"', '40[]', '40[1]', '40123', '40null', '40{', '40x', '40/custom', '40/custom,', '40/custom,{"a":1}', '40/nope', '40/nope,', '40/nope?x=1,', '40,', '40/,', '40/,{"a":1}']
    .map((packet): Case => ({ to: 'not joined', sent: [packet] })),
  { to: 'not joined', sent: ['40/custom,', kThen, '42/custom,["message","x"]', kThen, '41/custom,', kThen, '40/custom,'] },
  { to: 'not joined', sent: [bytes] },
  { to: 'not joined', sent: ['40/nope,', kThen, '40', kThen, '40/nope,'] },

  // After it
  ...['40', '40{}', '41', '41,', '41/nope', '41/nope,', '41/custom,', '44', '44{}', '44"x"', '4', '47', '48[]', '4abc', '4[]', '4 2["message"]'].map((packet): Case => ({ to: 'joined', sent: [packet] })),
  { to: 'joined', sent: ['41', kThen, '40'] },
  { to: 'joined', sent: ['41', kThen, '42["message",1]'] },
  { to: 'joined', sent: ['40/custom,', kThen, '41', kThen, '42/custom,7["message-with-ack",1]'] },
  ...['42', '42{}', '42[]', '42[{}]', '42[null]', '42[[]]', '42[true]', '42"message"', '42null', '421', '42["message"', '42["message",]', '42["message",01]', "42['message']", '42["message",1]x', '42["message",1] ', '42 ["message",1]', '42[ "message" , 1 ]', '42["message",NaN]', '42["message","\\ud800"]', '42["message","\\udc00\\ud800"]', '42["\\ud800"]', '427["message-with-ack","\\ud83d","\\ud83d\\ude00"]', '42["message","\\q"]', '42["message","\\u12"]', '42["message",100000000000000000000]', '42["message",-0]', '42["message",1e400]', '42["message",1.0]', '42["message",{"a":1,"a":2}]', '42["message","a\\u0000b"]', '42["message",[],{},""]', '42[1,2]', '42[1.5,2]', '42["",1]',
    '42["connect"]', '42["connect_error"]', '42["disconnect"]', '42["disconnecting"]', '42["newListener"]', '42["removeListener"]', '42["error"]', '42["__proto__",1]', '42["constructor"]', '42["toString"]', '42["message",{"__proto__":1}]',
    '42/custom,["message",1]', '42/nope,["message"]', '42/,["message","main"]', '42/["message"]', '420["message-with-ack"]', '42456["message-with-ack",1]', '42007["message-with-ack",1]', '42-1["message-with-ack"]', '421.5["message-with-ack"]', '42x["message"]', '4212x["message"]', '429007199254740991["message-with-ack",1]',
    '4377[1]', '43[1]', '43', '437', '437{}', '437[', '43x[1]', '43-1[1]',
    '45', '45-', '45abc-', '45["message"]', '451["message"]', '45-1-["message"]', '451.5-["message"]', '451-', '451-[]', '450-["message","x"]', '4599999999999-["message"]', '46', '460-7[]', '461-7'].map((packet): Case => ({ to: 'joined', sent: [packet] })),
  { to: 'joined', sent: [bytes] },
  { to: 'joined', sent: [binary(1, 0), bytes] },
  { to: 'joined', sent: [binary(1, 0), bytes, kThen, bytes] },
  { to: 'joined', sent: [binary(1), bytes] },
  { to: 'joined', sent: [binary(2, 0, 1), bytes, Uint8Array.of(4)] },
  { to: 'joined', sent: [binary(2, 1, 0), bytes, Uint8Array.of(4)] },
  { to: 'joined', sent: [binary(2, 0, 1), bytes, '42["message","between"]'] },
  { to: 'joined', sent: [binary(1, 0), '42["message","instead"]'] },
  { to: 'joined', sent: [binary(1, 0), '40/custom,'] },
  ...[1, -1, 0.5, '0', null, 1e9].map((num): Case => ({ to: 'joined', sent: [binary(1, num), bytes] })),
  { to: 'joined', sent: ['451-["message",{"_placeholder":true}]', bytes] },
  { to: 'joined', sent: ['451-["message",{"_placeholder":false,"num":0}]', bytes] },
  { to: 'joined', sent: ['451-["message",{"_placeholder":"true","num":0}]', bytes] },
  { to: 'joined', sent: [`451-[${hole(0)}]`, bytes] },
  { to: 'joined', sent: ['451-["connect"]', bytes] },
  { to: 'joined', sent: [`451-{"a":${hole(0)}}`, bytes] },
  { to: 'joined', sent: [binary(1, 0).replace('[', '7['), bytes] },
  { to: 'joined', sent: [`451-7["message-with-ack",${hole(0)}]`, bytes] },
  { to: 'joined', sent: [`451-/custom,["message",${hole(0)}]`, bytes] },
  { to: 'joined', sent: [`461-77[${hole(0)}]`, bytes] },
  { to: 'joined', sent: [`461-77[${hole(3)}]`, bytes] },
  { to: 'joined', sent: [binary(10), ...Array.from({ length: 10 }, () => bytes)] },
  { to: 'joined', sent: [binary(11), ...Array.from({ length: 11 }, () => bytes)] },
  { to: 'joined', sent: [`42["message",${hole(0)}]`] },
  { to: 'joined', sent: ['450-["message","x"]', bytes, kThen, bytes] },
  { to: 'joined', sent: ['450-["message","x"]', kThen, '42["message","y"]'] },
  // The answers of a client, to what the server asked last: twice and of the wrong kind
  { to: 'joined', sent: ['42["question",1]', kThen, '43#["a",2]', '43#["b"]'] },
  { to: 'joined', sent: ['42["question",1]', kThen, `461-#[${hole(0)}]`, bytes, '43#[1]'] },
  { to: 'joined', sent: ['42["question",1]', kThen, '42["question",2]', kThen, '43#["b"]'] },
  { to: 'joined', sent: ['42["question",1]', kThen, '43#', '43#["a"]'] },
  { to: 'joined', sent: ['42["question",1]', kThen, '43/custom,#["a"]'] },
  { to: 'joined', sent: ['420["twice"]'] },
  { to: 'joined', sent: ['42["leave"]', kThen, '40'] },
  { to: 'joined', sent: ['42["leave"]', kThen, '42["message","late"]'] },
  { to: 'joined', sent: ['42["close"]', '42["message",1]'] },
  { to: 'joined', sent: ['42["burst",3,5]'] },
  { to: 'joined', sent: [deep(40)] },
  { to: 'joined', sent: [deep(1_000)] },
];

// Differences that are meant, by what is sent.
const kStrict = 'no client sends it: who does has lost its place';
const kLater = 'npm gives an event to its handler a turn later, and has closed by then';
const kAsItCame = 'an echo is of the packet as it came; npm numbers the attachments anew, and forgets those that nothing names';
const kOnItsWay = 'npm lets what was on its way to a namespace pass when it is read with the packet that left it; ours does so always';
const kMeant: Readonly<Record<string, string>> = {
  'joined 42["leave"] ‖ … ‖ 42["message","late"]': kOnItsWay,
  'joined 42["question",1] ‖ … ‖ 43# ‖ 43#["a"]': kStrict,
  'engine b!': kStrict,
  'engine 0{}': kStrict,
  'WebSocket engine 1': 'a close packet ends a session on each transport; npm hears it only over polling',
  'not joined 40123': kStrict,
  'joined 42': kStrict,
  'joined 421': kStrict,
  'joined 43': kStrict,
  'joined 43[1]': kStrict,
  'joined 437': kStrict,
  'WebSocket joined 450-["message","x"]': kLater,
  'WebSocket joined 450-["message","x"] ‖ <3 bytes> ‖ … ‖ <3 bytes>': kLater,
  'WebSocket joined 450-["message","x"] ‖ … ‖ 42["message","y"]': kLater,
  [`joined ${binary(2, 1, 0)} ‖ <3 bytes> ‖ <1 bytes>`]: kAsItCame,
  [`joined ${binary(1, 0.5)} ‖ <3 bytes>`]: kStrict,
  'joined 451-["message"] ‖ <3 bytes>': kAsItCame,
  'joined 451-["message",{"_placeholder":false,"num":0}] ‖ <3 bytes>': kAsItCame,
  'joined 451-["message",{"_placeholder":"true","num":0}] ‖ <3 bytes>': kAsItCame,
  [`joined 4510-["message"]${' ‖ <3 bytes>'.repeat(10)}`]: kAsItCame,
};

// Asking for namespaces that are not there tells whether the connection lives, whatever was joined. Twice, one
// after the other: npm's server answers events and CONNECTs a turn later than it refuses.
const kFences = { engine: ['4fence1', '4fence2'], joined: ['40/fence1,', '40/fence2,'], 'not joined': ['40/fence1,', '40/fence2,'] };
const kIsFence = /fence[12]\b/;

const pair = usePair();

const kRuns = { WebSocket: overWebSocket, polling: overPolling };
const kNamed = (['WebSocket', 'polling'] as const).flatMap((transport) => kCases.map((given) => {
  const name = given.sent.map((packet) => (typeof packet === 'string' ? packet : `<${packet.length} bytes>`)).join(' ‖ ');
  return { transport, given, to: given.to, name: name.slice(0, 70), meant: kMeant[`${given.to} ${name}`] ?? kMeant[`${transport} ${given.to} ${name}`] };
}));

test.concurrent.each(kNamed)('over $transport, $to: $name', async ({ transport, given, meant }) => {
  const [expected, seen] = await Promise.all([pair.reference, pair.ours].map(({ url }) => kRuns[transport](url, given)));

  if (meant === undefined) expect(seen!.map(asRead)).toEqual(expected!.map(asRead));
  else expect(seen!.map(asRead), `no longer differs, though: ${meant}`).not.toEqual(expected!.map(asRead));
});

test('JSON of 100,000 levels ends the connection, and the server goes on', async () => {
  const given: Case = { to: 'joined', sent: [deep(100_000)] };

  expect(await overWebSocket(pair.ours.url, given)).toEqual(['over']);
  expect(await overPolling(pair.ours.url, given)).toEqual(['over']);
});

const kPaths = { engine: '/engine.io/', joined: '/socket.io/', 'not joined': '/socket.io/' };

/** What came for the packets, and whether the connection was over after them. */
async function overWebSocket(url: string, { sent, to }: Case): Promise<string[]> {
  const socket = new RawSocket(`${url}${kPaths[to]}`);
  const lines = socket.saw.things;
  const isOver = () => lines.some((line) => line.startsWith('closed'));
  await socket.until(/^0/);
  if (to === 'joined') {
    socket.send('40');
    await socket.until(/^42\["auth"/);
  }
  const before = lines.length;
  for (const flight of flights(sent)) {
    socket.send(...flight.map((packet) => withId(packet, lines)));
    for (const fence of kFences[to]) {
      const count = lines.length;
      socket.send(fence);
      await socket.saw.until(() => isOver() || lines.slice(count).some((line) => kIsFence.test(line)));
    }
  }
  socket.close();
  return lines.slice(before).filter((line) => !kIsFence.test(line)).map((line) => line.replace('closed', 'over'));
}

/** The same. The answers to the POSTs are not compared: npm says `ok` before it looks; a client that is told 400
    knows the same a little earlier. */
async function overPolling(url: string, { sent, to }: Case): Promise<string[]> {
  const session = await RawPolling.open(`${url}${kPaths[to]}`);
  if (to === 'joined') {
    await session.post('40');
    await session.drain(/^42\["auth"/);
  }
  const lines: string[] = [];
  for (const flight of flights(sent)) {
    await session.post(flight.map((packet) => withId(packet, lines)).map((packet) => (typeof packet === 'string' ? packet : `b${Buffer.from(packet).toString('base64')}`)).join('\x1e'));
    for (const fence of kFences[to]) {
      if (lines.at(-1) === 'over') break;
      await session.post(fence);
      lines.push(...(await session.drain(kIsFence)));
    }
  }
  return lines.filter((line) => !kIsFence.test(line));
}

/** With the id of the last question; which numbers a server takes is its own affair. */
function withId(packet: Packet, lines: readonly string[]): Packet {
  if (typeof packet !== 'string' || !packet.includes('#')) return packet;
  const id = lines.map((line) => /^42(\d+)\["question-back"/.exec(line)?.[1]).findLast((found) => found !== undefined);
  return packet.replace('#', id!);
}

/** A line as a client reads it: our echo gives JSON back as it came, npm's as it would write it. */
function asRead(line: string): string {
  if (line.includes('"question-back"')) return line.replace(/^42\d+/, '42#');
  const [, head, json] = /^(4[2356](?:\d+-)?(?:\/[^,]*,)?\d*)(\[.*)$/s.exec(line) ?? [];
  return json === undefined ? line : head! + JSON.stringify(JSON.parse(json));
}

function flights(sent: readonly Packet[]): Packet[][] {
  const all: Packet[][] = [[]];
  for (const packet of sent) {
    if (packet === kThen) all.push([]);
    else all.at(-1)!.push(packet);
  }
  return all;
}
