import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { type Upgrades, WebProxy } from '../../../sdk/typescript/test/web-proxy.js';
import { BusServer, TOKENS } from './bus-server.js';

const SCRIPT = `
import { createEventBus } from '@shared-infra/event-bus';
globalThis.states = [];
const bus = createEventBus({ url: location.hash.slice(1) });
bus.onState((state) => states.push({ ...state, error: state.error?.message, at: performance.now() }));
bus.on('system.announcement', (event) => (document.title = event.data.text));
`;

interface State {
  status: string;
  transport?: { name: string; reason?: string };
  at: number;
}

// A page of another origin than the bus, whose cookie signs it in.
async function livePage(upgrades: Upgrades, policy?: string): Promise<{ state: State; title: () => Promise<string>; bus: BusServer }> {
  const { outputFiles } = await build({
    stdin: { contents: SCRIPT, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    bundle: true,
    format: 'esm',
    write: false,
  });
  const site = createServer((_request, response) => {
    if (policy) response.setHeader('Content-Security-Policy', policy);
    response.setHeader('Content-Type', 'text/html').end(`<script type="module">${outputFiles[0]!.text}</script>`);
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const bus = await BusServer.start(undefined, { EVENTBUS_ALLOWED_ORIGINS: origin });
  const proxy = await WebProxy.start(bus.url, upgrades);
  const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu'] });
  onTestFinished(async () => {
    await browser.close();
    await proxy.stop();
    site.closeAllConnections();
    site.close();
  });
  const context = await browser.newContext();
  await context.addCookies([{ name: 'eventbus_token', value: await TOKENS.forUser('ana', []), url: origin }]);
  const page = await context.newPage();
  await page.goto(`${origin}/#${proxy.url}`);
  await page.waitForFunction("states.at(-1)?.status === 'live'", undefined, { timeout: 15_000 });
  return { state: await page.evaluate<State>('states.at(-1)'), title: () => page.title(), bus };
}

it.each([
  ['nothing is in the way', 'pass', undefined, { name: 'websocket' }, 3_000],
  ['a proxy swallows upgrades', 'swallowed', undefined, { name: 'polling', reason: expect.stringContaining('not open after 2 s') }, 3_000],
  ['a proxy refuses them', 403, undefined, { name: 'polling', reason: expect.any(String) }, 3_000],
  ['the policy of the page leaves out ws:', 'pass', "connect-src http:", { name: 'polling', reason: expect.any(String) }, 3_000],
] as const)('a page that a cookie signs in, of another origin, is live in time where %s', async (_name, upgrades, policy, transport, withinMs) => {
  const { state, title, bus } = await livePage(upgrades, policy);

  expect(state.transport).toEqual(transport);
  expect(state.at).toBeLessThan(withinMs);
  await fetch(`${bus.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await TOKENS.forService('api')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'system.announcement', data: { text: 'hello' } }),
  });
  await expect.poll(title).toBe('hello');
});
