import { io } from 'socket.io-client';
import { expect, test, vi } from 'vitest';

import { clientOf, startBus } from '../test/support.js';

vi.mock('socket.io-client', async (original) => {
  const real = await original<typeof import('socket.io-client')>();
  return { ...real, io: vi.fn(real.io) };
});

// With `allowed_origins: *` a browser refuses every answer to a request with credentials.
test.each([
  ['a token', { token: 'a token' }, false],
  ['a cookie', { token: undefined }, true],
  ['a token behind a balancer with a cookie', { token: 'a token', socketOptions: { withCredentials: true } }, true],
])('cookies go with a sign-in by %s', async (_what, options, withCredentials) => {
  const bus = await startBus();
  await clientOf(bus, options as { token?: string }).publish('tick', {});
  expect(vi.mocked(io).mock.lastCall).toMatchObject([bus.url, { withCredentials }]);
});
