// Engine.IO by hand, to send what no client sends. What comes back is told as lines without ids.
import { request } from 'node:http';

import { WebSocket } from 'ws';

import { Seen } from '../../e2e/support/seen.js';

export type Packet = string | Uint8Array;

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One request on a connection of its own. */
export function ask(url: string, { method = 'GET', headers = {}, body, signal }: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false, ...(signal && { signal }) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    let answered = false;
    sent.on('response', () => (answered = true));
    sent.on('error', (error) => (answered ? undefined : reject(error)));  // the rest of a body that is refused
    sent.end(body);
  });
}

/** An answer without what differs from session to session. */
export function told({ status, headers, body }: Answer): string {
  return `${status} ${headers['content-type']?.toString().toLowerCase() ?? '-'} ${withoutIds(body)}`;
}

export function withoutIds(text: string): string {
  return text.replace(/"sid":"[A-Za-z0-9_-]{15,}"/g, '"sid":"…"').replaceAll('\x1e', ' ‖ ');
}

/** A WebSocket to a path of the server, as lines. */
export class RawSocket {
  readonly saw = new Seen<string>();
  readonly opened: Promise<void>;
  readonly #ws: WebSocket;

  constructor(url: string, query = 'EIO=4&transport=websocket') {
    this.#ws = new WebSocket(`${url.replace('http', 'ws')}?${query}`, { perMessageDeflate: false });
    this.opened = new Promise((resolve) => this.#ws.once('open', resolve));
    this.#ws.on('message', (data: Buffer, isBinary) => this.saw.add(isBinary ? `<${data.toString('hex')}>` : withoutIds(data.toString())));
    this.#ws.on('close', (code) => this.saw.add(`closed${kProtocolCloses.includes(code) ? ` ${code}` : ''}`));
    this.#ws.on('unexpected-response', (_request, response) => this.saw.add(`refused ${response.statusCode}`));
    this.#ws.on('error', () => undefined);
  }

  send(...packets: Packet[]): void {
    for (const packet of packets) this.#ws.send(packet);
  }

  async until(line: RegExp): Promise<string[]> {
    return this.saw.until((lines) => lines.some((one) => line.test(one)));
  }

  close(): void {
    this.#ws.terminate();
  }
}

// What RFC 6455 says; all else is the taste of a server, and clients ask only whether it closed.
const kProtocolCloses = [1002, 1007, 1009];

/** A polling session. */
export class RawPolling {
  private constructor(
    readonly url: string,
    readonly sid: string,
  ) {}

  static async open(url: string): Promise<RawPolling> {
    const { body } = await ask(`${url}?EIO=4&transport=polling`);
    return new RawPolling(`${url}?EIO=4&transport=polling`, (JSON.parse(body.slice(1)) as { sid: string }).sid);
  }

  /** A POST that does not end; resolves once the server has its begin. */
  async beginPost(): Promise<{ end(): Promise<Answer | 'cut'> }> {
    const url = `${this.url}&sid=${this.sid}`;
    const sent = request(url, { method: 'POST', agent: false, headers: { 'content-type': 'text/plain;charset=UTF-8', 'content-length': 2 } });
    const answer = new Promise<Answer | 'cut'>((resolve) => {
      sent.on('response', (response) => response.resume().on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: '' })));
      sent.on('error', () => resolve('cut'));
    });
    await new Promise<void>((resolve) => sent.write('4', () => resolve()));
    await ask(url.replace(this.sid, 'unknown'));  // comes later, and has been answered
    return { end: () => (sent.end('a'), answer) };
  }

  get(sent: Sent = {}): Promise<Answer> {
    return ask(`${this.url}&sid=${this.sid}`, sent);
  }

  post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    return ask(`${this.url}&sid=${this.sid}`, { method: 'POST', headers: { 'content-type': 'text/plain;charset=UTF-8', ...headers }, body });
  }

  /** The packets of polls, until one is like `last` or the session is over. */
  async drain(last: RegExp): Promise<string[]> {
    const packets: string[] = [];
    for (;;) {
      const { status, body } = await this.get();
      if (status !== 200) return [...packets, 'over'];
      const more = body.split('\x1e').map(withoutIds);
      if (more.includes('1')) return [...packets, ...more.filter((one) => one !== '6' && one !== '1'), 'over'];
      packets.push(...more.filter((one) => one !== '6'));
      if (more.some((one) => last.test(one))) return packets;
    }
  }
}
