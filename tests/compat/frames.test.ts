// Frames by hand over TCP: RFC 6455 and RFC 7692 to the bit, whole and byte by byte, at npm's server and ours.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { Seen } from '../e2e/support/seen.js';
import { usePair } from './support/pair.js';

const pair = usePair();

type Bytes = Uint8Array;
interface Frame {
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly opcode?: number;
  readonly mask?: boolean;
  readonly length?: 7 | 16 | 64;
}

const bytesOf = (text: string): Bytes => Buffer.from(text, 'utf8');
const hex = (text: string): Bytes => Buffer.from(text.replaceAll(' ', ''), 'hex');

function frame(payload: string | Bytes, { fin = true, rsv = 0, opcode = 1, mask = true, length }: Frame = {}): Bytes {
  const data = typeof payload === 'string' ? bytesOf(payload) : payload;
  const form = length ?? (data.length < 126 ? 7 : data.length < 65_536 ? 16 : 64);
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (mask ? 0x80 : 0) | (form === 7 ? data.length : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(data.length, 2);
  if (form === 64) head.writeBigUInt64BE(BigInt(data.length), 2);
  if (!mask) return Buffer.concat([head, data]);
  const key = randomBytes(4);
  return Buffer.concat([head, key, data.map((byte, i) => byte ^ key[i % 4]!)]);
}

const deflated = (text: string | Bytes, windowBits = 15): Bytes => deflateRawSync(text, { windowBits: Math.max(windowBits, 9), finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const compressed = (text: string | Bytes, options: Frame = {}) => frame(deflated(text), { rsv: 4, ...options });
const close = (code?: number, reason: string | Bytes = '') => {
  const head = Buffer.alloc(code === undefined ? 0 : 2);
  if (code !== undefined) head.writeUInt16BE(code);
  return frame(Buffer.concat([head, typeof reason === 'string' ? bytesOf(reason) : reason]), { opcode: 8 });
};
const first = { fin: false };
const middle = { fin: false, opcode: 0 };
const last = { opcode: 0 };
const deflate = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';

interface Case {
  readonly name: string;
  readonly sent: readonly Bytes[];
  readonly offer?: string;
}

const kText = '4κόσμε 😀';
const kPlain = [frame('4' + 'x'.repeat(2_000)), frame('4b')];
const kCases: Case[] = [
  // Autobahn 1 and 2: lengths, pings
  ...[1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536].map((size) => ({ name: `a text of ${size + 1}`, sent: [frame('4' + 'x'.repeat(size))] })),
  ...[0, 125, 126, 65_536].map((size) => ({ name: `${size} bytes`, sent: [frame(Buffer.alloc(size, 0xfe), { opcode: 2 })] })),
  ...[0, 1, 125, 126].map((size) => ({ name: `a ping of ${size}`, sent: [frame(Buffer.alloc(size, 0xff), { opcode: 9 })] })),
  { name: 'a ping with a long length', sent: [frame('x', { opcode: 9, length: 16 })] },
  { name: 'a pong that nobody asked for', sent: [frame('x', { opcode: 10 }), frame('4a')] },
  { name: 'pings in a row', sent: Array.from({ length: 10 }, (_, i) => frame(`${i}`, { opcode: 9 })) },
  // 3 and 4: reserved bits and opcodes
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv) => ({ name: `reserved bits ${rsv}`, sent: [frame('4a'), frame('4b', { rsv }), frame('4c')] })),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({ name: `opcode ${opcode}`, sent: [frame('4a'), frame('', { opcode })] })),
  { name: 'reserved bits of a ping', sent: [frame('', { opcode: 9, rsv: 1 })] },
  { name: 'not masked', sent: [frame('4a', { mask: false })] },
  // 5: fragments
  { name: 'two fragments', sent: [frame('4a', first), frame('b', last)] },
  { name: 'empty fragments', sent: [frame('', first), frame('', middle), frame('4a', middle), frame('', last)] },
  { name: 'fragments of bytes', sent: [frame(hex('01'), { ...first, opcode: 2 }), frame(hex('02'), last)] },
  { name: 'a ping between fragments', sent: [frame('4a', first), frame('p', { opcode: 9 }), frame('b', last)] },
  { name: 'a ping in fragments', sent: [frame('p', { opcode: 9, fin: false }), frame('q', last)] },
  { name: 'a close in fragments', sent: [frame('', { opcode: 8, fin: false }), frame('', last)] },
  { name: 'a continuation of nothing', sent: [frame('4a', last)] },
  { name: 'a continuation of nothing, not final', sent: [frame('4a', middle)] },
  { name: 'a continuation after the end', sent: [frame('4a', first), frame('b', last), frame('c', last)] },
  { name: 'a text within a text', sent: [frame('4a', first), frame('4b')] },
  { name: 'bytes within a text', sent: [frame('4a', first), frame('b', { opcode: 2, fin: false })] },
  { name: 'a thousand fragments', sent: [frame('4', first), ...Array.from({ length: 1_000 }, () => frame('x', middle)), frame('', last)] },
  // 6: UTF-8
  { name: 'UTF-8', sent: [frame(kText)] },
  { name: 'UTF-8 cut into bytes', sent: [frame('', first), ...[...bytesOf(kText)].map((byte) => frame(Uint8Array.of(byte), middle)), frame('', last)] },
  ...['f4908080', 'eda080', 'c080', 'e08080', 'ff', '80', 'c3', 'e282', 'f09f98', 'f8888080 80', 'efbfbe', 'f48fbfbf', 'ed9fbf', 'ee8080', 'c2a0', 'f0808080']
    .flatMap((code) => [
      { name: `UTF-8 ${code}`, sent: [frame(Buffer.concat([bytesOf('4'), hex(code)]))] },
      { name: `UTF-8 ${code}, in fragments`, sent: [frame(Buffer.concat([bytesOf('4'), hex(code).subarray(0, 1)]), first), frame(hex(code).subarray(1), last)] },
    ]),
  // 7: closes
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map((code) => ({ name: `close ${code}`, sent: [close(code)] })),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) => ({ name: `close ${code}, which may not be`, sent: [close(code)] })),
  { name: 'close without a code', sent: [close()] },
  { name: 'close of one byte', sent: [frame(hex('03'), { opcode: 8 })] },
  { name: 'close with a reason', sent: [close(1000, 'x'.repeat(123))] },
  { name: 'close with too long a reason', sent: [close(1000, 'x'.repeat(124))] },
  { name: 'close with a reason that is no UTF-8', sent: [close(1000, hex('ceba e1bd b9cf'))] },
  { name: 'a message behind a close', sent: [close(1000), frame('4a')] },
  { name: 'a close between fragments', sent: [frame('4a', first), close(1000), frame('b', last)] },
  { name: 'two closes', sent: [close(1000), close(1001)] },
  // 9: limits
  { name: 'fragments that are too much together', sent: [frame('4'.repeat(600_000), first), frame('x'.repeat(600_000), last)] },
  { name: 'a length of 2^63', sent: [hex('81ff 8000000000000000 00000000')] },
  { name: 'a length of 2^53', sent: [hex('81ff 0020000000000000 00000000')] },
  // 12 and 13: compression
  { name: 'compressed, though nobody agreed', sent: [compressed('4a')] },
  ...([
    ['compressed', [compressed('4' + 'x'.repeat(1_000))]],
    ['compressed bytes', [compressed(Buffer.alloc(1_000, 7), { opcode: 2 })]],
    ['compressed and plain', [compressed('4a'), frame('4b'), compressed('4c')]],
    ['compressed, in fragments', [frame(deflated('4abc').subarray(0, 2), { ...first, rsv: 4 }), frame(deflated('4abc').subarray(2), last)]],
    ['compressed, in empty fragments', [frame('', { ...first, rsv: 4 }), frame(deflated('4abc'), middle), frame('', last)]],
    ['a ping between compressed fragments', [frame(deflated('4abc').subarray(0, 2), { ...first, rsv: 4 }), frame('p', { opcode: 9 }), frame(deflated('4abc').subarray(2), last)]],
    ['rsv1 on a continuation', [frame('4a', first), frame('b', { ...last, rsv: 4 })]],
    ['rsv1 on a continuation of a compressed one', [frame(deflated('4abc').subarray(0, 2), { ...first, rsv: 4 }), frame(deflated('4abc').subarray(2), { ...last, rsv: 4 })]],
    ['rsv1 on a ping', [frame('', { opcode: 9, rsv: 4 })]],
    ['rsv1 on a close', [frame('', { opcode: 8, rsv: 4 })]],
    ['nothing, compressed', [frame(hex('00'), { rsv: 4, opcode: 2 })]],
    ['an empty payload, compressed', [frame('', { rsv: 4, opcode: 2 })]],
    ['a stored block', [frame(hex('00 0200 fdff 3461 00'), { rsv: 4 })]],
    ['a final block', [frame(Buffer.concat([deflateRawSync('4final'), hex('00')]), { rsv: 4 })]],
    ['no deflate at all', [frame(hex('ffffffff'), { rsv: 4 })]],
    ['compressed text that is no UTF-8', [compressed(hex('34ff'))]],
    ['a bomb', [compressed('4' + 'x'.repeat(2_000_000))]],
    ['a bomb in fragments', [frame(deflated('4' + 'x'.repeat(2_000_000)).subarray(0, 500), { ...first, rsv: 4 }), frame(deflated('4' + 'x'.repeat(2_000_000)).subarray(500), last)]],
  ] as [string, Bytes[]][]).map(([name, sent]): Case => ({ name, sent, offer: deflate })),
  ...[
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits) => `permessage-deflate; client_max_window_bits=${bits}; server_no_context_takeover`),
    'permessage-deflate; server_max_window_bits=15; server_no_context_takeover',
    'x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover',
    'PERMESSAGE-DEFLATE',
    'permessage-deflate; client_max_window_bits=08, permessage-deflate',
    'permessage-deflate; client_max_window_bits="10", permessage-deflate',
    'permessage-deflate; server_max_window_bits=10, permessage-deflate',
    'permessage-deflate;client_max_window_bits ; server_no_context_takeover',
    'permessage-deflate, permessage-deflate; client_max_window_bits',
    'x, y; z=1',
  ].map((offer): Case => ({ name: `offers ${offer}`, offer, sent: kPlain })),
];

/** Differences that are meant, by the name of the case. */
const kMeant: Readonly<Record<string, string>> = {
  'a length of 2^63': 'its first bit must be 0 (RFC 6455, 5.2), which is no matter of size',
  'an empty payload, compressed': 'no deflated message is shorter than a byte (RFC 7692, 7.2.3.6)',
};

/** Offers with which something is wrong, and whether compression is agreed upon anyway. Such an offer is declined, and the
    next one is looked at (RFC 7692, 5.1 and 7); npm's server refuses the handshake instead. */
const kOddOffers: readonly (readonly [offer: string, agreed: boolean])[] = [
  ['permessage-deflate; foo, permessage-deflate', true],
  ['permessage-deflate; foo', false],
  ['permessage-deflate; foo=1, permessage-deflate; bar', false],
  ['permessage-deflate; server_no_context_takeover=1, permessage-deflate', true],
  ['permessage-deflate; server_no_context_takeover; server_no_context_takeover, permessage-deflate', true],
  ['permessage-deflate; client_no_context_takeover; client_no_context_takeover', false],
  ['permessage-deflate; client_max_window_bits=7, permessage-deflate', true],
  ['permessage-deflate; client_max_window_bits=16', false],
  ['permessage-deflate; client_max_window_bits=', false],
  ['permessage-deflate; server_max_window_bits, permessage-deflate', true],
  ['permessage-deflate; server_max_window_bits=0', false],
  ['foo; bar="a, permessage-deflate", permessage-deflate', true],
  ['foo; bar="a, permessage-deflate"', false],
  ['foo; bar="a, permessage-deflate', false],
  [';', false],
  [',', false],
];

/** What came for the frames: to the end, or to the echo of a last message; pongs first, as npm gives messages a turn later. */
async function play(url: string, { sent, offer }: Pick<Case, 'sent' | 'offer'>, byByte: boolean): Promise<string[]> {
  const { hostname, port } = new URL(url);
  const saw = new Seen<string>();
  const socket = connect(Number(port), hostname).setNoDelay(true);
  let head = true;
  let left = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    left = Buffer.concat([left, data]);
    if (head) {
      const end = left.indexOf('\r\n\r\n');
      if (end < 0) return;
      const text = left.subarray(0, end).toString();
      saw.add(`${text.split(' ')[1]}, ${/^sec-websocket-extensions: *permessage-deflate/im.test(text) ? 'deflate' : 'plain'}`);
      left = left.subarray(end + 4);
      head = false;
    }
    for (let taken = readFrame(left); taken !== undefined; taken = readFrame(left)) {
      left = left.subarray(taken.bytes);
      saw.add(taken.line);
    }
  });
  socket.on('error', () => undefined);
  socket.on('close', () => saw.add('end'));
  socket.write(`GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${offer === undefined ? '' : `Sec-WebSocket-Extensions: ${offer}\r\n`}\r\n`);
  const [status] = await saw.until((lines) => lines.some((line) => !line.startsWith('101')));
  if (!status!.startsWith('101')) {
    socket.destroy();
    return [status!];
  }
  const all = Buffer.concat([...sent, frame('4fence')]);
  if (byByte) for (const byte of all) socket.write(Uint8Array.of(byte));
  else socket.write(all);
  const lines = await saw.until((seen) => seen.some((line) => line === 'text 4fence' || line === 'end' || line.startsWith('close')));
  socket.destroy();
  const end = lines.findIndex((line) => line === 'end' || line.startsWith('close'));
  const told = (end < 0 ? lines : lines.slice(0, end + 1)).filter((line) => !line.startsWith('text 0'));
  const isPong = (line: string) => line.startsWith('pong');
  return [...told.filter(isPong), ...told.filter((line) => !isPong(line))];
}

function readFrame(from: Buffer): { bytes: number; line: string } | undefined {
  if (from.length < 2) return undefined;
  const short = from[1]! & 0x7f;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (from.length < head) return undefined;
  const size = short === 126 ? from.readUInt16BE(2) : short === 127 ? Number(from.readBigUInt64BE(2)) : short;
  if (from.length < head + size) return undefined;
  let payload = from.subarray(head, head + size);
  if ((from[0]! & 0x40) !== 0) payload = inflateRawSync(Buffer.concat([payload, hex('0000ffff')]), { finishFlush: constants.Z_SYNC_FLUSH });
  const kinds: Record<number, () => string> = {
    1: () => `text ${payload.length > 200 ? payload.length : payload.toString()}`,
    2: () => `binary ${payload.length > 200 ? payload.length : payload.toString('hex')}`,
    8: () => `close ${kProtocolCloses.includes(payload.length < 2 ? 0 : payload.readUInt16BE()) ? payload.readUInt16BE() : ''}`,
    9: () => 'ping',
    10: () => `pong ${payload.toString('hex')}`,
  };
  return { bytes: head + size, line: kinds[from[0]! & 0xf]?.() ?? 'unknown' };
}

// What RFC 6455 says; all else is the taste of a server.
const kProtocolCloses = [1002, 1007, 1009];

for (const byByte of [false, true]) {
  const cases = kCases.filter(({ sent }) => !byByte || sent.reduce((sum, one) => sum + one.length, 0) < 3_000);
  test.concurrent.each(cases)(`${byByte ? 'byte by byte' : 'whole'}: $name`, async (given) => {
    const [expected, seen] = await Promise.all([pair.reference, pair.ours].map(({ url }) => play(url, given, byByte)));

    const meant = kMeant[given.name];
    if (meant === undefined) expect(seen).toEqual(expected);
    else expect(seen, `no longer differs, though: ${meant}`).not.toEqual(expected);
  });
}

test.concurrent.each(kOddOffers)('an offer that is not acceptable is declined, and does not end the handshake: %s', async (offer, agreed) => {
  const [expected, seen] = await Promise.all([pair.reference, pair.ours].map(({ url }) => play(url, { sent: kPlain, offer }, false)));

  expect(seen).toEqual([`101, ${agreed ? 'deflate' : 'plain'}`, 'text 2001', 'text 4b', 'text 4fence']);
  expect(expected, 'npm does so, too, by now').toEqual(['400, plain']);
});
