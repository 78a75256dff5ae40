import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, test } from 'vitest';

import { afterwards, clientOf, Seen } from '../test/support.js';
import type { EventBusOptions } from './index.js';

// With `allowed_origins: *` a browser refuses every answer to a request with credentials.
test.each<[string, EventBusOptions, string | undefined]>([
  ['a token', { token: 'a token' }, undefined],
  ['a cookie', { token: undefined }, 'balancer=1'],
  ['a token behind a balancer with a cookie', { token: 'a token', socketOptions: { withCredentials: true } }, 'balancer=1'],
])('cookies go with a sign-in by %s', async (_what, { socketOptions, ...options }, expected) => {
  const connects = new Seen<string | undefined>();
  const server = createServer(({ method, headers, url = '' }, answer) => {
    if (method === 'POST') connects.add(headers.cookie);
    else if (!url.includes('&sid=')) answer.setHeader('Set-Cookie', 'balancer=1; Path=/').end('0{"sid":"1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => (server.closeAllConnections(), server.close()));
  const client = clientOf({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { ...options, socketOptions: { ...socketOptions, transports: ['polling'] } });

  client.connect();

  expect(await connects.atLeast(1)).toEqual([expected]);
});
