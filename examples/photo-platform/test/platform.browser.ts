import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noPhoto, paint, SCENES, type Picture } from './pictures.js';
import { Platform } from './platform.js';
import { openBrowser, Window } from './window.js';

const SCREENSHOTS = fileURLToPath(new URL('../../../build/screenshots', import.meta.url));

let platform: Platform;
let browser: Browser;
let pictures: Picture[];

beforeAll(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  [platform, browser, pictures] = await Promise.all([
    Platform.start(),
    openBrowser(),
    Promise.all(SCENES.map((scene) => paint(scene))),
  ]);
});

afterAll(async () => {
  await browser?.close();
  await platform?.stop();
});

const open = (user: string, look = {}): Promise<Window> =>
  Window.open(browser, platform.address, look).then((window) => window.signIn(user));

describe('the page', () => {
  let laptop: Window;
  let phone: Window;
  let stranger: Window;

  beforeAll(async () => {
    [laptop, phone, stranger] = await Promise.all([
      open('ana'),
      open('ana', {
        viewport: { width: 390, height: 844 },
        deviceScaleFactor: 2,
        colorScheme: 'dark',
        hasTouch: true,
        isMobile: true,
      }),
      open('ben'),
    ]);
  });

  it('shows progress and thumbnails on both devices of a user, and nothing to another', async () => {
    await laptop.drop([pictures[0]!]);

    for (const window of [laptop, phone]) {
      expect(await window.finished(1)).toEqual({ completed: ['evening-ridge.jpg'], failed: [] });
      expect((await window.progress()).filter((value) => value > 0).length).toBeGreaterThan(1);
    }
    expect(await stranger.names()).toEqual([]);
  });

  it('tells what became of each photo of a batch, and of the batch', async () => {
    await phone.drop([pictures[1]!, pictures[2]!, noPhoto()]);

    for (const window of [laptop, phone]) {
      const { completed, failed } = await window.finished(4);
      expect(completed).toEqual(['autumn-pass.jpg', 'evening-ridge.jpg', 'morning-lake.jpg']);
      expect(failed).toEqual(['minutes-of-the-meeting.jpg']);
      await window.page.waitForSelector('.notice:has-text("2 of 3 photos are developed")');
    }
    expect(await stranger.names()).toEqual([]);
    for (const window of [laptop, phone]) expect(await window.barriers()).toEqual([]);
    await laptop.screenshot(`${SCREENSHOTS}/laptop-light.png`);
    await phone.screenshot(`${SCREENSHOTS}/phone-dark.png`);
  });

  it('shows the same after a reload', async () => {
    await phone.page.reload();

    await phone.live();
    expect((await phone.finished(4)).completed).toHaveLength(3);
  });

  it('asks again for a thumbnail while the API is away', async () => {
    let asked = 0;
    await phone.page.route('**/thumbnails/*', (route) => (asked++ < 2 ? route.abort() : route.continue()));
    await phone.page.reload();

    await phone.live();
    expect((await phone.finished(4)).completed).toHaveLength(3);
    expect(asked).toBeGreaterThan(3);
    await phone.page.unroute('**/thumbnails/*');
  });

  it('goes on by itself after kill -9 of the bus, with nothing missed', async () => {
    platform.killBus();
    await laptop.page.waitForSelector('.badge[data-status=reconnecting]');
    await laptop.screenshot(`${SCREENSHOTS}/laptop-reconnecting.png`);
    await phone.drop([pictures[3]!]); // while the bus is away: the API keeps it, and tells of it later

    for (const window of [laptop, phone]) {
      await window.live();
      expect((await window.finished(5)).completed).toContain('north-light.jpg');
    }
    expect(await stranger.names()).toEqual([]);
  });

  it('shows a photo to who was given its link, without the place, until that is ended', async () => {
    await laptop.open('evening-ridge.jpg');
    expect(await laptop.page.textContent('.facts')).toContain('46.5533° N');
    await laptop.page.click('text=Get a link');
    const link = await laptop.page.inputValue('.link-row input');
    await stranger.page.goto(link);

    await stranger.page.waitForSelector('.viewer img');
    expect(await stranger.page.textContent('.facts')).not.toContain('46.5533');
    await laptop.page.waitForSelector('.watchers :text("Ben")');
    expect(await laptop.barriers()).toEqual([]);
    await laptop.screenshot(`${SCREENSHOTS}/laptop-viewer.png`);
    expect(await stranger.names()).toEqual(['evening-ridge.jpg']);

    await laptop.page.click('text=Stop sharing');
    await stranger.page.waitForFunction(() => document.querySelectorAll('.tile').length === 0);
    await laptop.page.keyboard.press('Escape');
  });

  it('lets who was given a link in time watch the photo develop', async () => {
    const letWorkerGo = platform.holdWorker();
    try {
      await laptop.drop([pictures[4]!]);
      await laptop.open('spring-valley.jpg');
      await laptop.page.click('text=Get a link');
      await stranger.page.goto(await laptop.page.inputValue('.link-row input'));
      await stranger.page.waitForSelector('.tile-waiting:has-text("spring-valley.jpg")');
    } finally {
      letWorkerGo();
    }

    await stranger.page.waitForSelector('.viewer img');
    expect((await stranger.progress()).filter((value) => value > 0).length).toBeGreaterThan(1);
    expect(await stranger.page.textContent('.facts')).not.toContain('46.5533');
    for (const window of [laptop, stranger]) await window.page.keyboard.press('Escape');
  });

  it('lets an admin see the health of the parts, and announce something to everyone', async () => {
    const admin = await open('dora', { colorScheme: 'dark' });
    for (const component of ['api', 'worker'])
      await admin.page.waitForSelector(`.health-ok[data-component=${component}]`);

    await admin.page.fill('#announcement', 'The darkroom closes at ten tonight.');
    await admin.page.click('text=Announce');

    for (const window of [laptop, phone, stranger, admin])
      await window.page.waitForSelector('.announcement:has-text("closes at ten")');
    expect(await laptop.page.locator('.health').count()).toBe(0);
    expect(await admin.barriers()).toEqual([]);
    await admin.screenshot(`${SCREENSHOTS}/admin-dark.png`);
  });

  it('lets an admin see what the bus refuses, and send it again', async () => {
    const admin = await open('dora');
    let refused = [
      { id: 'e', type: 'photo.shared', photoId: 'p', code: 'forbidden', message: 'api may not publish it', at: '' },
    ];
    await admin.page.route('**/api/refused', (route) => route.fulfill({ json: refused }));
    await admin.page.route('**/api/refused/e', (route) => {
      refused = [];
      return route.fulfill({ json: { announced: 'now' } });
    });

    await admin.page.waitForSelector('.refused li:has-text("api may not publish it")');
    expect(await admin.barriers()).toEqual([]);
    await admin.page.click('.refused >> text=Send again');

    await admin.page.waitForSelector('.refused', { state: 'detached' });
  });

  it('takes a photo that is deleted from every device of its owner', async () => {
    await phone.open('minutes-of-the-meeting.jpg');
    await phone.page.click('.delete');
    await phone.page.click('text=Delete it for everyone?');

    for (const window of [laptop, phone]) {
      await window.page.waitForFunction(() => document.querySelectorAll('.tile-failed').length === 0);
      expect(await window.names()).toHaveLength(5);
    }
  });

  it('shows the way to sign in when a session ends', async () => {
    await phone.page.route('**/api/photos', (route) => route.fulfill({ status: 401, json: {} }));
    await phone.drop([pictures[0]!]);

    await phone.page.waitForSelector('.sign-in:has-text("Your session has ended")');
    await phone.page.unroute('**/api/photos');
    await phone.signIn('ana');
    expect(await phone.names()).toHaveLength(5);
  });

  it('has thrown no error in any window', () => {
    expect([laptop, phone, stranger].flatMap(({ errors }) => errors)).toEqual([]);
  });
});
