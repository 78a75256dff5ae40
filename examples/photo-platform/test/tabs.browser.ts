import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BusServer, SECRET, TOKENS } from './bus-server.js';
import type { TabPage } from './tabs/page.js';
import { openBrowser } from './window.js';

const TABS = 30;
const POLLING = 12; // twice what a browser opens to one host
const HTML = '<!doctype html><title>tab</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';

declare const globalThis: TabPage;

let site: Server;
let address: string;
let browser: Browser;

beforeAll(async () => {
  const files = await bundle(fileURLToPath(new URL('tabs/page.ts', import.meta.url)));
  site = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://page');
    const file = pathname === '/' ? HTML : files.get(pathname);
    response.writeHead(file === undefined ? 404 : 200, {
      'content-type': pathname === '/' ? 'text/html' : 'text/javascript',
    });
    response.end(file);
  });
  await once(site.listen(0, '127.0.0.1'), 'listening');
  address = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  site?.close();
});

describe('thirty tabs of a user', () => {
  it('that share a connection are one socket, and hear all once while their leaders go', async () => {
    const tabs = await Tabs.open({ share: '' });
    await tabs.live();
    await tabs.publish(10);
    await tabs.heardAll();
    expect(await tabs.sockets()).toBe(1);

    await tabs.publishWhile(async () => {
      await tabs.crashLeader();
      await tabs.live();
      await (await tabs.leader()).close();
      await tabs.live();
      await (await tabs.leader()).reload();
      await tabs.open[0]!.reload();
      await tabs.live();
      const [one, other] = [await tabs.leader(), tabs.open[5]!];
      await Promise.all([one.close(), other.close()]);
    });
    await tabs.publish(1);

    await tabs.heardAll();
    expect(await tabs.sockets()).toBe(1);
    expect(tabs.open.length).toBeGreaterThan(10);
    await tabs.close();
  });

  it('that share a connection are one over polling too, where a browser has six connections for all of them', async () => {
    const tabs = await Tabs.open({ share: '', polling: '' }, POLLING);
    await tabs.live();
    expect(await tabs.sockets()).toBe(1);

    await tabs.publishWhile(async () => (await tabs.leader()).close());
    await tabs.publish(1);

    await tabs.heardAll();
    await tabs.close();
  });

  it('with a connection each starve nobody over WebSocket', async () => {
    const tabs = await Tabs.open({});
    await tabs.live();
    await tabs.publish(10);
    await tabs.heardAll();
    expect(await tabs.sockets()).toBe(TABS);
    await tabs.close();
  });
});

describe('a page with two handlers of a topic', () => {
  it('that is loaded again while events go on misses nothing with either, and hears nothing again', async () => {
    const tabs = await Tabs.open({ watch: '1' }, 1);
    const [page] = tabs.open;
    await page!.evaluate(() => globalThis.watching!.catch(() => {})); // it is refused
    await tabs.publish(1); // the photo is ana's from here on
    await page!.reload();
    await page!.evaluate(() => globalThis.watching);

    let n = 0;
    const go = async (): Promise<void> => tabs.store('worker', 'photo.processing.failed', { photoId: '1', n: ++n });
    for (let reloads = 0; reloads < 3; ++reloads) {
      const reloaded = page!.reload();
      for (let times = 0; times < 20; ++times) await go();
      await reloaded;
      await page!.waitForFunction((last) => globalThis.watched?.every((heard) => heard.at(-1) === last), n);
    }

    const all = Array.from({ length: n }, (_, at) => at + 1);
    expect(await page!.evaluate(() => globalThis.watched)).toEqual([all, all]);
    await tabs.close();
  });
});

// The pages of one browser, and what they should have heard.
class Tabs {
  readonly #published: number[] = [];

  private constructor(
    readonly bus: BusServer,
    readonly context: BrowserContext,
  ) {}

  static async open(options: Record<string, string>, count = TABS): Promise<Tabs> {
    const bus = await BusServer.start(undefined, { EVENTBUS_ALLOWED_ORIGINS: address });
    const tabs = new Tabs(bus, await browser.newContext());
    const query = new URLSearchParams({ bus: bus.url, token: await TOKENS.forUser('ana', []), ...options });
    const open = async (): Promise<void> => {
      await (await tabs.context.newPage()).goto(`${address}/?${query}`);
    };
    await Promise.all(Array.from({ length: count }, open));
    return tabs;
  }

  get open(): Page[] {
    return this.context.pages().filter((page) => !crashed.has(page));
  }

  async live(): Promise<void> {
    await Promise.all(this.open.map((page) => page.waitForFunction(() => globalThis.bus?.state.status === 'live').catch(ignoreIfGone(page))));
  }

  async publish(count: number): Promise<void> {
    for (let i = 0; i < count; ++i) {
      const photoId = this.#published.length + 1;
      await this.store('api', 'photo.uploaded', { photoId: String(photoId), userId: 'ana', filename: 'a.jpg' });
      this.#published.push(photoId);
    }
  }

  async store(service: string, type: string, data: object): Promise<void> {
    const response = await fetch(`${this.bus.url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await TOKENS.forService(service)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ type, data }),
    });
    expect(response.status).toBe(200);
  }

  async publishWhile(act: () => Promise<void>): Promise<void> {
    let isDone = false;
    const acting = act().finally(() => (isDone = true));
    while (!isDone) {
      await this.publish(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await acting;
  }

  // Each page has heard everything once, in order.
  async heardAll(): Promise<void> {
    const last = this.#published.length;
    for (const page of this.open) {
      await page.waitForFunction((last) => globalThis.heard.at(-1) === last, last, { timeout: 20_000 });
      expect(await page.evaluate(() => globalThis.heard)).toEqual(this.#published);
    }
  }

  // Sockets that are signed in at the server.
  async sockets(): Promise<number> {
    const token = await new SignJWT({ sub: 'service-ops', service: 'ops', permissions: ['admin:metrics'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('10m')
      .sign(new TextEncoder().encode(SECRET));
    const page = await (await fetch(`${this.bus.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
    return Number(/^eventbus_sockets (\d+)/m.exec(page)?.[1]);
  }

  async leader(): Promise<Page> {
    const leads = async (page: Page): Promise<boolean> =>
      page.evaluate(async () => {
        const probe = `who am I ${Math.random()}`;
        return navigator.locks.request(probe, async () => {
          const { held = [] } = await navigator.locks.query();
          const own = held.find(({ name }) => name === probe)?.clientId;
          return held.some(({ name, clientId }) => name?.endsWith(' leader') && clientId === own);
        });
      });
    for (const page of this.open) if (await leads(page)) return page;
    throw new Error('no page leads');
  }

  // As one whose process the system ends. Pages of its process go with it.
  async crashLeader(): Promise<void> {
    const leader = await this.leader();
    for (const page of this.open) page.on('crash', () => crashed.add(page));
    const session = await this.context.newCDPSession(leader);
    const gone = leader.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await gone;
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

const crashed = new WeakSet<Page>();

function ignoreIfGone(page: Page): (error: unknown) => void {
  return (error) => {
    if (!page.isClosed() && !crashed.has(page)) throw error;
  };
}

// The page and the parts that it loads later, by their paths.
async function bundle(entry: string): Promise<Map<string, string>> {
  const output = { entryFileNames: 'page.js', chunkFileNames: '[name].js' };
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    build: { write: false, target: 'es2022', rollupOptions: { input: entry, output, preserveEntrySignatures: false } },
  });
  if (!('output' in built)) throw new Error('vite gave no bundle');
  return new Map(built.output.flatMap((file) => (file.type === 'chunk' ? [[`/${file.fileName}`, file.code]] : [])));
}
