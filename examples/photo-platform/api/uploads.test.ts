import { readdir } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as rest } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RecordedBus } from '../test/recorded-bus.js';
import { NO_BUS, Site, type Visitor } from '../test/site.js';
import { UPLOAD_LIMITS } from './uploads.js';

const SEND_EVERY_MS = 20;

function portOf(app: FastifyInstance): number {
  return (app.server.address() as AddressInfo).port;
}

// An upload that sends its head, and then `bytes` now and then.
class SlowUpload {
  answer = '';
  isClosed = false;

  constructor({ app, session }: Visitor, bytes = '') {
    const socket = connect(portOf(app));
    socket.write(
      `POST /api/photos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${session}\r\nContent-Length: 1000000\r\n` +
        'Content-Type: multipart/form-data; boundary=cut\r\n\r\n' +
        '--cut\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nbytes',
    );
    const sending = setInterval(() => socket.write(bytes), SEND_EVERY_MS);
    onTestFinished(() => void socket.destroy());
    socket.setEncoding('utf8').on('data', (text: string) => (this.answer += text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(sending);
      this.isClosed = true;
    });
  }

  status(): string | undefined {
    return this.answer.split(' ')[1];
  }
}

async function openSite(limits = {}): Promise<Site> {
  const site = await Site.on(new RecordedBus(), NO_BUS, undefined, limits);
  await site.app.listen({ port: 0, host: '127.0.0.1' });
  return site;
}

describe('uploads that stand still', () => {
  it('keep nobody out but their own user', async () => {
    const site = await openSite();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const stalled = Array.from({ length: 8 }, () => new SlowUpload(ana));
    await expect.poll(() => stalled.filter((upload) => upload.status() === '429').length).toBe(5);

    expect((await ben.upload(['a.jpg', Buffer.from('bytes')])).statusCode).toBe(201);
    expect((await ana.upload(['a.jpg', Buffer.from('bytes')])).statusCode).toBe(429);
  });

  it.each([
    ['nothing', ''],
    ['a byte now and then', 'x'],
  ])('and bring %s are ended, and leave nothing behind', async (_, bytes) => {
    const site = await openSite({
      uploads: { ...UPLOAD_LIMITS, pace: { bytesPerSecond: 1_000, lookEveryMs: 500 } },
    });
    const ana = await site.as('ana');
    const stalled = Array.from({ length: 3 }, () => new SlowUpload(ana, bytes));

    await expect.poll(() => stalled.map((upload) => upload.status()), { timeout: 3_000 }).toEqual(['408', '408', '408']);
    await expect.poll(() => stalled.every(({ isClosed }) => isClosed)).toBe(true);
    await expect.poll(() => readdir(site.media.photos())).toEqual([]);
    expect((await ana.upload(['a.jpg', Buffer.from('bytes')])).statusCode).toBe(201);
  });

  it('and are as fast as they must be go on', async () => {
    const site = await openSite({
      uploads: { ...UPLOAD_LIMITS, pace: { bytesPerSecond: 1_000, lookEveryMs: 500 } },
    });
    const upload = new SlowUpload(await site.as('ana'), 'x'.repeat(100)); // 5,000 a second

    await rest(2_000);

    expect(upload).toMatchObject({ answer: '', isClosed: false });
  });
});

it('a request that stands still, of whoever, is ended', async () => {
  const site = await openSite({ timeouts: { idleMs: 300, requestMs: 60_000 } });
  const socket = connect(portOf(site.app));
  onTestFinished(() => void socket.destroy());
  let isClosed = false;
  socket.on('close', () => (isClosed = true)).resume();

  socket.write('POST /api/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{');

  await expect.poll(() => isClosed, { timeout: 3_000 }).toBe(true);
});
