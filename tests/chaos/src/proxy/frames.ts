// A stream of bytes, cut into the frames of WebSocket.

export interface Frame {
  readonly bytes: Buffer;
  readonly opcode: number;
  /** What a text frame that is a whole message says; undefined for any other frame. */
  readonly text: string | undefined;
}

const kText = 1;
export const kClose = 8;

export class FrameReader {
  #rest = Buffer.alloc(0);

  /** The frames that are whole by now. */
  *push(bytes: Buffer): Generator<Frame> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) yield frame;
  }

  #next(): Frame | undefined {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const short = rest[1]! & 0x7f;
    const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
    if (rest.length < 2 + lengthBytes) return undefined;
    const length = lengthBytes === 0 ? short : lengthBytes === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    const isMasked = (rest[1]! & 0x80) !== 0;
    const head = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (rest.length < head + length) return undefined;
    const bytes = rest.subarray(0, head + length);
    this.#rest = rest.subarray(head + length);
    const opcode = bytes[0]! & 0x0f;
    const isWholeText = opcode === kText && (bytes[0]! & 0x80) !== 0;
    return { bytes, opcode, text: isWholeText ? textOf(bytes, head, isMasked) : undefined };
  }
}

function textOf(bytes: Buffer, head: number, isMasked: boolean): string {
  if (!isMasked) return bytes.toString('utf8', head);
  const plain = Buffer.from(bytes.subarray(head));
  for (let at = 0; at < plain.length; ++at) plain[at]! ^= bytes[head - 4 + (at & 3)]!;
  return plain.toString('utf8');
}
