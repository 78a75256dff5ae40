// The least that speaks Socket.IO over a WebSocket: a load of thousands must not be bound by its own client.
import { randomBytes } from 'node:crypto';
import net from 'node:net';

const kMask = Buffer.from([1, 2, 3, 4]);

export class Client {
  pid;
  place;
  got = 0;
  isIn = false;
  isDone = false; // resume.done was told
  gaps = 0;
  isUnknown = false;
  topics; // to be in from the start
  onEvent = () => undefined;
  #answers = new Map();
  #socket;
  #rest = Buffer.alloc(0);
  #isOpen = false;
  #port;
  #token;
  #settle;

  constructor(port, token) {
    this.#port = port;
    this.#token = token;
  }

  /** Connects and signs in, with pid and place if it has them; resolves when CONNECT is answered, false if that failed. */
  connect() {
    this.isIn = this.isDone = this.#isOpen = false;
    this.#rest = Buffer.alloc(0);
    return new Promise((resolve) => {
      this.#settle = resolve;
      const socket = (this.#socket = net.connect(this.#port, '127.0.0.1'));
      socket.setNoDelay(true);
      socket.on('connect', () => socket.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`));
      socket.on('data', (bytes) => this.#read(bytes));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.isIn = false;
        resolve(false);
      });
    });
  }

  /** Calls what clients can call, and resolves with its answer. */
  call(name, ...args) {
    const id = this.#answers.size;
    this.#send(`42${id}${JSON.stringify([name, ...args])}`);
    return new Promise((resolve) => this.#answers.set(`${id}`, resolve));
  }

  /** Reads nothing from now on. */
  stop() {
    this.#socket.pause();
  }

  drop() {
    this.#socket.destroy();
  }

  #read(bytes) {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (!this.#isOpen) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return void (this.#rest = rest);
      this.#isOpen = true;
      rest = rest.subarray(end + 4);
    }
    for (;;) {
      if (rest.length < 2) break;
      let length = rest[1] & 127;
      let head = 2;
      if (length === 126) [length, head] = rest.length < 4 ? [Infinity, 4] : [rest.readUInt16BE(2), 4];
      else if (length === 127) [length, head] = rest.length < 10 ? [Infinity, 10] : [Number(rest.readBigUInt64BE(2)), 10];
      if (rest.length < head + length) break;
      this.#message(rest.toString('utf8', head, head + length));
      rest = rest.subarray(head + length);
    }
    this.#rest = rest;
  }

  #message(text) {
    if (text === '2') return this.#send('3');
    if (text[0] === '0') return this.#send(`40${JSON.stringify({ token: this.#token, pid: this.pid, offset: this.place, topics: this.topics })}`);
    if (text.startsWith('40')) {
      this.pid = JSON.parse(text.slice(2)).pid;
      this.isIn = true;
      return this.#settle(true);
    }
    const answer = /^43(\d+)/.exec(text);
    if (answer !== null) return this.#answers.get(answer[1])(JSON.parse(text.slice(answer[0].length))[0]);
    if (!text.startsWith('42')) return;
    const args = JSON.parse(text.slice(2));
    if (args[0] === 'resume.done') this.isDone = true;
    else if (args[0] === 'resume.gap') ++this.gaps;
    else if (args[0] === 'resume.unknown') this.isUnknown = true;
    else if (typeof args.at(-1) === 'string') {
      this.place = args.at(-1);
      ++this.got;
      this.onEvent(args);
    }
  }

  #send(text) {
    const bytes = Buffer.from(text);
    const head = bytes.length < 126 ? Buffer.from([0x81, 0x80 | bytes.length]) : Buffer.from([0x81, 0x80 | 126, bytes.length >> 8, bytes.length & 255]);
    for (let i = 0; i < bytes.length; ++i) bytes[i] ^= kMask[i & 3];
    this.#socket.write(Buffer.concat([head, kMask, bytes]));
  }
}
