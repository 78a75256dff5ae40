// What the package says of an address where it cannot reach an event bus.
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, test } from 'vitest';

import { afterwards, clientOf, rejection, startBus } from '../test/support.js';

async function serverAt(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  afterwards(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[what: string, listener: RequestListener, path: string, address: string, why: string]>([
  ['a server that answers everything with a page', (_request, response) => response.end('<!doctype html>'), '', '', 'what answers there is not an event bus: is the address right?'],
  ['a server that knows no such path', (_request, response) => response.writeHead(404).end(), '/api/', '/api', 'xhr poll error, it answers HTTP 404: is the address right?'],
])('%s is told as that, with the whole address', async (_what, listener, path, address, why) => {
  const origin = await serverAt(listener);
  const client = clientOf({ url: origin + path });

  const error = await rejection(client.publish('tick', {}, { timeoutMs: 600 }));

  expect(error.message).toBe(`The event was not acknowledged within 600 ms: The event bus at ${origin}${address} cannot be reached: ${why}`);
});

test('https: where there is no TLS is told as that', async () => {
  const { url } = await startBus();
  const client = clientOf({ url: url.replace('http:', 'https:') });

  expect((await rejection(client.ready({ timeoutMs: 600 }))).message).toContain('cannot be reached: xhr poll error, no TLS there: is it an http: address?');
});

test('a server that never answers, and a connect() that was never called, are told as that', async () => {
  const silent = clientOf({ url: await serverAt(() => {}) });
  const idle = clientOf(await startBus(), { autoConnect: false });
  const said = [
    silent.publish('tick', {}, { timeoutMs: 100 }),
    silent.subscribe('photo:1', () => {}, { timeoutMs: 100 }),
    silent.ready({ timeoutMs: 100 }),
    idle.publish('tick', {}, { timeoutMs: 100 }),
    idle.subscribe('photo:1', () => {}, { timeoutMs: 100 }),
  ].map(async (promise) => (await rejection(promise)).message.replace(/^.*100 ms/, ''));

  const silence = ': The event bus, or the function `token`, does not answer.';
  const never = ': Nothing has called connect().';
  expect(await Promise.all(said)).toEqual([silence, silence, silence, never, never]);
});

test.each(['http://127.0.0.1:1/?token=x', 'http://user:password@127.0.0.1:1'])('%s is refused, since part of it would not be sent', async (url) => {
  expect(await rejection(clientOf({ url }).publish('tick', {}))).toMatchObject({ code: 'not_configured', message: expect.stringContaining('give the token as `token`') as string });
});
