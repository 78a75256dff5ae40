import { afterEach, expect, test, vi } from 'vitest';

import { startBus, rejection } from '../test/support.js';
import { createEventBus, eventBus } from './index.js';
import { settle } from './options.js';

afterEach(() => vi.unstubAllEnvs());

test('the ready client finds address and token in the environment at its first use', async () => {
  const bus = await startBus();

  expect(eventBus.state).toEqual({ status: 'idle' });
  expect((await rejection(eventBus.publish('tick', {}))).message).toContain('set EVENT_BUS_URL');
  vi.stubEnv('EVENT_BUS_URL', bus.url);
  vi.stubEnv('EVENT_BUS_TOKEN', 'from the environment');
  await eventBus.publish('tick', {});
  await eventBus.close();

  expect(bus.connects).toEqual([{ place: true, token: 'from the environment' }]);
});

test('in a browser the address is that of the page', () => {
  vi.stubGlobal('location', { origin: 'https://photos.example' });
  expect(settle({}).origin).toBe('https://photos.example');
  vi.stubGlobal('location', { origin: 'null' });
  expect(() => settle({})).toThrow('The address is missing');
  vi.unstubAllGlobals();
});

test.each([
  ['https://events.example', 'https://events.example', '/socket.io/'],
  ['http://127.0.0.1:4000/', 'http://127.0.0.1:4000', '/socket.io/'],
  ['https://example/bus/', 'https://example', '/bus/socket.io/'],
  ['wss://events.example', 'https://events.example', '/socket.io/'],
  ['ws://events.example:81', 'http://events.example:81', '/socket.io/'],
])('%s is reached at %s%s', (url, origin, path) => {
  expect(settle({ url })).toMatchObject({ origin, path });
});

test.each(['events.example', 'ftp://events.example', '', '//x'])('%j is refused, with the fix', async (url) => {
  const error = await rejection(createEventBus({ url, token: 't' }).publish('tick', {}));

  expect(error.code).toBe('not_configured');
  expect(error.message).toMatch(/https:\/\/host:port|EVENT_BUS_URL/);
});

test.each([
  ['http://events.example.com', 'not_configured'],
  ['ws://events.example.com', 'not_configured'],
  ['http://localhost:8080', undefined],
  ['http://127.0.0.1:8080', undefined],
  ['https://events.example.com', undefined],
])('on a page that came by https, %s is told to be blocked: %s', (url, code) => {
  vi.stubGlobal('location', { protocol: 'https:', origin: 'https://www.example.com' });
  try {
    const refused = () => settle({ url });
    if (code === undefined) expect(refused).not.toThrow();
    else expect(refused).toThrow(expect.objectContaining({ code }) as Error);
  } finally {
    vi.unstubAllGlobals();
  }
});
