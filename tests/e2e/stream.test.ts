// GET /v1/stream: server-sent events, as curl and a browser's EventSource use them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeEach, expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kUploaded = { type: 'photo.uploaded', data: { photoId: '123', userId: 'alice', filename: 'vacation.jpg' } };
const kAlice = { authorization: `Bearer ${userToken('alice')}` };

let server: BusServer;

beforeEach(async () => {
  server = await BusServer.start({ settings: { reactors: '2' } });
});

interface Message {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
}

/** A stream that is read a message at a time; comments, and ids without data, are passed over. */
class Stream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #text = '';
  lastId = '';

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
    afterwards(() => this.#reader.cancel().catch(() => undefined));
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async next(): Promise<Message> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end < 0) {
        const { value, done } = await this.#reader.read();
        if (done) throw new Error('The stream has ended.');
        this.#text += new TextDecoder().decode(value);
        continue;
      }
      const lines = this.#text.slice(0, end).split('\n');
      this.#text = this.#text.slice(end + 2);
      const fields = lines.filter((line) => !line.startsWith(':')).map((line) => line.split(/: (.*)/s).slice(0, 2));
      const message = Object.fromEntries(fields) as Message;
      if (message.id !== undefined) this.lastId = message.id;
      if (message.data !== undefined) return message;
    }
  }
}

async function open(path: string, headers: Record<string, string> = {}): Promise<Stream> {
  const response = await fetch(`${server.url}${path}`, { headers });
  expect(response.status, await (response.ok ? '' : response.text())).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  return new Stream(response.body!);
}

async function publish(event: unknown): Promise<{ id: string; offset: string }> {
  const response = await fetch(`${server.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serviceToken('api')}`, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { id: string; offset: string };
}

test('without a topic a user follows what is theirs, with the offset as id', async () => {
  const stream = await open('/v1/stream', kAlice);
  const { id, offset } = await publish(kUploaded);

  const message = await stream.next();

  expect(message).toMatchObject({ id: offset, event: 'photo.uploaded' });
  expect(JSON.parse(message.data!)).toMatchObject({ data: { photoId: '123' }, meta: { id, subject: 'photo:123', offset } });
});

test('who comes back with Last-Event-ID gets what it has missed, once', async () => {
  const first = await publish(kUploaded);
  const second = await publish({ ...kUploaded, data: { ...kUploaded.data, photoId: '124' } });

  const stream = await open('/v1/stream', { ...kAlice, 'last-event-id': first.offset });
  const third = await publish({ ...kUploaded, data: { ...kUploaded.data, photoId: '125' } });

  expect((await stream.next()).id).toBe(second.offset);
  expect((await stream.next()).id).toBe(third.offset);
});

test('a place of another log is told, and the stream goes on from now', async () => {
  const stream = await open('/v1/stream', { ...kAlice, 'last-event-id': 'other.7' });
  const { offset } = await publish(kUploaded);

  expect((await stream.next()).event).toBe('resume.unknown');
  expect((await stream.next()).id).toBe(offset);
});

test.each([
  ['an empty since', '?since=', {}, 'resume.unknown'],
  ['a since that is no offset', '?since=yesterday', {}, 'resume.unknown'],
  ['an empty Last-Event-ID, as of an EventSource that has seen none', '', { 'last-event-id': '' }, 'photo.uploaded'],
])('a stream with %s begins with what is told of it', async (_name, query, headers, first) => {
  const stream = await open(`/v1/stream${query}`, { ...kAlice, ...headers });
  await publish(kUploaded);
  expect((await stream.next()).event).toBe(first);
});

test('a subject that may not be watched is refused before the stream begins', async () => {
  await publish(kUploaded);
  const response = await fetch(`${server.url}/v1/stream?topic=photo:123`, { headers: { authorization: `Bearer ${userToken('bob')}` } });
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ code: 'forbidden' });
});

test('a ticket opens one stream, on whichever reactor it arrives, and no second but with a place', async () => {
  for (let i = 0; i < 8; i++) {
    const made = await fetch(`${server.url}/v1/tickets`, { method: 'POST', headers: kAlice });
    const { ticket, expiresInMs } = (await made.json()) as { ticket: string; expiresInMs: number };
    expect(expiresInMs).toBe(60_000);

    // A connection of its own each, so that the kernel spreads them over the reactors.
    const stream = await open(`/v1/stream?ticket=${ticket}`, { connection: 'close' });
    const { offset } = await publish(kUploaded);
    expect((await stream.next()).id).toBe(offset);

    // A second use, also of what a stranger to the seal makes of it, meets no reactor that opens it.
    const sealed = ticket.slice(ticket.indexOf('.') + 1);
    for (const used of [ticket, ticket, `0.${sealed}`, `1.${sealed}`, `7.${sealed}`, sealed]) {
      const headers = { connection: 'close' };
      expect((await fetch(`${server.url}/v1/stream?ticket=${used}`, { headers })).status).toBe(401);
    }
    const again = await open(`/v1/stream?ticket=${ticket}`, { connection: 'close', 'last-event-id': offset });
    const next = await publish(kUploaded);
    expect((await again.next()).id).toBe(next.offset);
  }
});

test('a stream that watches by a grant ends, and says so, when the grant is revoked', async () => {
  await publish(kUploaded);
  await publish({ type: 'photo.shared', data: { photoId: '123', with: 'bob' } });
  const stream = await open('/v1/stream?topic=photo:123', { authorization: `Bearer ${userToken('bob')}` });
  await publish({ type: 'photo.processing.completed', data: { photoId: '123' } });
  expect((await stream.next()).event).toBe('photo:processing.completed');

  await publish({ type: 'photo.unshared', data: { photoId: '123', with: 'bob' } });
  await publish({ type: 'photo.processing.completed', data: { photoId: '123' } });

  const end = await stream.next();
  expect(end.event).toBe('watch.ended');
  expect(JSON.parse(end.data!)).toMatchObject({ topic: 'photo:123', code: 'forbidden' });
  await expect(stream.next()).rejects.toThrow('The stream has ended.');
});

test('a stream ends in order when its token does, and says so', async () => {
  server = await BusServer.start({ settings: { jwt_clock_skew: '0s' } });
  const exp = Math.floor(Date.now() / 1_000) + 2;
  const stream = await open('/v1/stream', { authorization: `Bearer ${userToken('alice', { exp })}` });

  expect((await stream.next()).event).toBe('token.expired');
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
  await expect(stream.next()).rejects.toThrow('The stream has ended.');
});

test('what comes between the connect and the first event of a stream is not lost over a drop', async () => {
  const stream = await open('/v1/stream', kAlice);
  void stream.next().catch(() => undefined);
  await expect.poll(() => stream.lastId).toMatch(/^[a-z0-9]+\.\d+$/);
  const place = stream.lastId;
  await stream.cancel();
  const { offset } = await publish(kUploaded);

  const again = await open('/v1/stream', { ...kAlice, 'last-event-id': place });

  expect((await again.next()).id).toBe(offset);
});

test('a stream stays open when its user loses the ownership but has another right', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-catalog-'));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, `events:
  photo.uploaded: { subject: "photo:{data.photoId}", owner: "user:{data.userId}", audience: [owner] }
  photo.moved: { subject: "photo:{data.photoId}", owner: "user:{data.userId}", transfer: true, audience: [owner, watchers] }
  photo.noted: { subject: "photo:{data.photoId}", audience: [watchers] }
rooms: { photo: { watch: [owner, "role:admin"] } }
`);
  const bus = await BusServer.start({ catalog });
  const publish = (type: string, userId: string): Promise<Response> => fetch(`${bus.url}/v1/events`, { method: 'POST', headers: { authorization: `Bearer ${serviceToken('api')}`, 'content-type': 'application/json' }, body: JSON.stringify({ type, data: { photoId: '1', userId } }) });
  await publish('photo.uploaded', 'alice');
  const authorization = `Bearer ${userToken('alice', { roles: ['admin'] })}`;
  const response = await fetch(`${bus.url}/v1/stream?topic=photo:1`, { headers: { authorization } });
  const stream = new Stream(response.body!);

  await publish('photo.moved', 'bob');
  await publish('photo.noted', 'bob');

  expect([(await stream.next()).event, (await stream.next()).event]).toEqual(['photo.moved', 'photo.noted']);
});
