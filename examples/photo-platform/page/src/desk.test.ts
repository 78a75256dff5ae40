import { expect, it, onTestFinished, vi } from 'vitest';
import { BusServer } from '../../test/bus-server.js';
import { RecordedBus } from '../../test/recorded-bus.js';
import { Site } from '../../test/site.js';
import { signIn } from './api.js';
import { Desk } from './desk.js';

const HOUR_MS = 3_600_000;

// The page's own addresses begin with /, which means nothing to Node's fetch.
function openPageAt(address: string): void {
  const { fetch } = globalThis;
  vi.stubGlobal('fetch', (path: string, init?: RequestInit) => fetch(new URL(path, address), init));
  onTestFinished(() => void vi.unstubAllGlobals());
}

it('a desk whose session has ended asks to sign in, and does not reconnect forever', async () => {
  const bus = await BusServer.start();
  const { app } = await Site.on(new RecordedBus(), bus.url);
  openPageAt(await app.listen({ port: 0 }));
  const onSignedOut = vi.fn();
  const desk = await Desk.open(await signIn('ana'), onSignedOut);
  onTestFinished(() => desk.close());
  await expect.poll(() => desk.connection.value.status).toBe('live');

  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 13 * HOUR_MS }); // a session holds for 12
  onTestFinished(() => void vi.useRealTimers());
  await bus.kill();
  await bus.up();

  await vi.waitFor(() => expect(onSignedOut).toHaveBeenCalled(), 8_000);
}, 20_000);
