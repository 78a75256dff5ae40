import { afterEach, expect, test, vi } from 'vitest';

import { clientOf, Seen, startBus } from '../test/support.js';
import type { Logger } from './index.js';

afterEach(() => void vi.restoreAllMocks());

// Something for each level: a state, a gap, a handler that fails, and an onError handler that does.
async function makeItTalk(logger: Logger | false | undefined): Promise<void> {
  const bus = await startBus();
  const client = clientOf(bus, { logger });
  const handled = new Seen<unknown>();
  await client.subscribe('photo:1', (event) => {
    handled.add(event);
    throw new Error(`no ${event.type}`);
  });
  bus.publish({ type: 'photo.a', data: {}, subject: 'photo:1' });
  await handled.atLeast(1);
  client.onError(() => {
    throw new Error('nor this');
  });
  bus.publish({ type: 'photo.b', data: {}, subject: 'photo:1' });
  await handled.atLeast(2);
  bus.sockets[0]!.emit('resume.gap', { from: '1.1', to: '1.2' });
  await vi.waitFor(() => expect(bus.sockets).toHaveLength(1));
  await new Promise((resolve) => setTimeout(resolve, 20));
}

test('what no listener hears goes to the logger, and nothing to the console', async () => {
  const seen = (['warn', 'error', 'debug'] as const).map((level) => vi.spyOn(console, level).mockImplementation(() => {}));
  const logger = { warn: vi.fn(), error: vi.fn(), debug: vi.fn() };

  await makeItTalk(logger);

  expect(logger.warn.mock.calls).toEqual([[expect.stringContaining('events between 1.1 and 1.2 were missed')]]);
  expect(logger.error.mock.calls).toEqual([
    ['eventbus:', expect.objectContaining({ message: expect.stringContaining('no photo.a') as string })],
    ['eventbus: an onError handler failed', expect.objectContaining({ message: 'nor this' })],
  ]);
  expect(logger.debug.mock.calls.map(([line]) => line as string).slice(0, 2)).toEqual(['eventbus: connecting', 'eventbus: live']);
  for (const spy of seen) expect(spy).not.toHaveBeenCalled();
});

test('by default it is the console, without the states; false is silence', async () => {
  const [warn, error, debug] = (['warn', 'error', 'debug'] as const).map((level) => vi.spyOn(console, level).mockImplementation(() => {}));

  await makeItTalk(false);
  expect(warn).not.toHaveBeenCalled();
  expect(error).not.toHaveBeenCalled();
  await makeItTalk(undefined);

  expect(warn).toHaveBeenCalledTimes(1);
  expect(error).toHaveBeenCalledTimes(2);
  expect(debug).not.toHaveBeenCalled();
});

test.each([
  ['throws', () => { throw new Error('no disk'); }],
  ['rejects', () => Promise.reject(new Error('no disk'))],
])('a logger that %s breaks nothing, and what it should have said is on the console', async (_how, fail: () => never | Promise<never>) => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled).on('uncaughtException', unhandled);
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  const states: string[] = [];
  const bus = await startBus();
  const client = clientOf(bus, { logger: { warn: fail, error: fail, debug: fail } });
  client.onState(({ status }) => states.push(status));

  await client.publish('tick', {});
  await makeItTalk({ warn: fail, error: fail, debug: fail });
  process.off('unhandledRejection', unhandled).off('uncaughtException', unhandled);

  expect(states).toEqual(['idle', 'connecting', 'live']);
  expect(unhandled).not.toHaveBeenCalled();
  expect(said.mock.calls).toContainEqual(['eventbus: the logger failed', expect.objectContaining({ message: 'no disk' }), 'eventbus:', expect.objectContaining({ message: expect.stringContaining('no photo.a') as string })]);
});

test('a logger without a method that it should have breaks nothing', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});

  await makeItTalk({ warn: vi.fn() } as unknown as Logger);

  expect(said.mock.calls).toContainEqual(['eventbus: the logger failed', expect.any(TypeError), 'eventbus:', expect.anything()]);
});
