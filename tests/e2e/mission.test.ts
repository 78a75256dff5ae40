// The mission's snippets, as they stand in its overview, each in a process of its own.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { beforeEach, expect, test } from 'vitest';

import { sdk } from './support/clients.js';
import { afterwards } from './support/clean-up.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

interface Call {
  readonly call: string;
  readonly args: unknown[];
}

const kUpload = { photoId: '123', userId: 'user-456', filename: 'vacation.jpg' };

let server: BusServer;

beforeEach(async () => {
  server = await BusServer.start();
});

// What a snippet calls while it runs.
class Snippet {
  readonly calls = new Seen<Call>();

  constructor(name: string, environment: Record<string, string>) {
    const runner = fileURLToPath(new URL('support/run-snippet.mjs', import.meta.url));
    const snippet = fileURLToPath(new URL(`mission/${name}.mjs`, import.meta.url));
    const child = fork(runner, [snippet], { env: { ...process.env, EVENT_BUS_URL: server.url, ...environment } });
    child.on('message', (message) => this.calls.add(message as Call));
    child.on('exit', (code) => this.calls.add({ call: 'exit', args: [code] }));
    afterwards(() => child.kill('SIGKILL'));
  }

  /** The arguments of the first call of `name`. */
  async call(name: string): Promise<unknown[]> {
    const calls = await this.calls.until((all) => all.some(({ call }) => call === name || call === 'exit'));
    const found = calls.find(({ call }) => call === name);
    if (found === undefined) throw new Error(`The snippet ended without a call of ${name}.`);
    return found.args;
  }
}

test('the overview: subscribe to a photo, and the page shows its progress, thumbnails and error', async () => {
  const worker = sdk(server, serviceToken('worker'));
  await worker.publish('photo.uploaded', kUpload);
  const page = new Snippet('subscribe-to-a-photo', { EVENT_BUS_TOKEN: userToken('user-456') });
  await page.calls.until((all) => all.some(({ args }) => args[0] === 'live'));

  await worker.publish('photo.processing.started', { photoId: '123' });
  await worker.publish('photo.processing.completed', { photoId: '123', thumbnails: ['small.jpg', 'large.jpg'] });
  await worker.publish('photo.processing.failed', { photoId: '123', error: 'no image' });

  expect(await page.call('showProgressBar')).toEqual([]);
  expect(await page.call('showThumbnails')).toEqual([['small.jpg', 'large.jpg']]);
  expect(await page.call('showError')).toEqual(['no image']);
});

test('for developers: publish from anywhere, subscribe to events', async () => {
  const service = new Snippet('for-developers', { EVENT_BUS_TOKEN: serviceToken('anything') });
  await service.call('ran');

  await sdk(server, serviceToken('api')).publish('photo.uploaded', { ...kUpload, photoId: '124' });

  expect(await service.call('startPhotoProcessing')).toEqual(['124']); // a group begins now: not the 123 before
});

test('the API service, the worker service and the frontend together', async () => {
  await sdk(server, serviceToken('api')).publish('photo.uploaded', kUpload); // so that photo:123 has its owner

  const page = new Snippet('frontend', { PAGE_COOKIE: userToken('user-456') });
  expect(await page.call('io')).toEqual(['https://events.photo-platform.com']);
  await page.call('connect');
  const worker = new Snippet('worker-service', { EVENT_BUS_TOKEN: serviceToken('worker') });
  expect(await page.call('updateProgressBar')).toEqual(['123', 50]);

  const api = new Snippet('api-service', { EVENT_BUS_TOKEN: serviceToken('api') });
  const [port] = await api.call('listening');
  const body = JSON.stringify({ file: { id: '125', originalname: 'vacation.jpg' }, user: { id: 'user-456' } });
  const answer = await fetch(`http://127.0.0.1:${String(port)}/photos/upload`, { method: 'POST', body });

  expect(await answer.json()).toEqual({ success: true, photoId: '125' });
  expect(await worker.call('processPhoto')).toEqual(['125']);
  await sdk(server, serviceToken('worker')).publish('photo.processing.completed', { photoId: '125', thumbnails: ['small.jpg'] });
  expect(await page.call('showThumbnails')).toEqual(['125', ['small.jpg']]);
});

test("the frontend's snippet stays silent for who is not signed in", async () => {
  const page = new Snippet('frontend', { PAGE_COOKIE: 'not a token' });
  const owner = new Snippet('frontend', { PAGE_COOKIE: userToken('user-456') });
  await owner.call('connect');

  const worker = sdk(server, serviceToken('worker'));
  await worker.publish('photo.uploaded', kUpload);
  await worker.publish('photo.processing.completed', { photoId: '123', thumbnails: [] });

  await owner.call('showThumbnails');
  expect(page.calls.things.map(({ call }) => call).filter((call) => call === 'connect' || call === 'showThumbnails')).toEqual([]);
});
