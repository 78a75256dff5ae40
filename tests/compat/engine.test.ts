// The newest engine.io-client against npm's server and ours.
import type { SocketOptions } from 'engine.io-client';
import { Socket } from 'engine.io-client';
import { expect, test } from 'vitest';

import { Seen } from '../e2e/support/seen.js';
import { usePair } from './support/pair.js';
import { show } from './support/witness.js';

const kTransports: Record<string, Partial<SocketOptions>> = {
  WebSocket: { transports: ['websocket'] },
  polling: { transports: ['polling'] },
  upgrade: { transports: ['polling', 'websocket'] },
  'WebSocket, else polling': { transports: ['websocket', 'polling'], tryAllTransports: true },
};

const pair = usePair();

test.each(Object.entries(kTransports))('engine.io-client over %s', async (_transport, options) => {
  const [expected, seen] = await Promise.all([pair.reference, pair.ours].map(async ({ url }) => {
    const saw = new Seen<string>();
    const socket = new Socket(url, { path: '/engine.io/', ...options });
    socket.binaryType = 'arraybuffer';
    socket.on('open', () => saw.add('open'));
    socket.on('message', (message: unknown) => saw.add(show(message)));
    socket.on('close', (reason: string) => saw.add(`close ${reason}`));
    socket.on('error', (error: unknown) => saw.add(`error ${String(error)}`));
    const sent = ['x', 'ü€😀', Uint8Array.of(1, 2, 3), '', new Uint8Array(0), 'a\u0000b', 'x'.repeat(20_000), new Uint8Array(20_000)];

    for (let round = 0; round < 5; ++round) for (const message of [...sent, `${round}`]) socket.send(message as string);
    await saw.until((lines) => lines.includes('"4"'));
    if (options.transports!.length > 1 && socket.transport.name === 'polling') await new Promise<void>((resolve) => socket.once('upgrade', () => resolve()));
    socket.send('last');
    await saw.until((lines) => lines.includes('"last"'));
    socket.close();
    await saw.until((lines) => lines.at(-1)!.startsWith('close'));
    return saw.things;
  }));

  expect(seen).toEqual(expected);
  expect(seen).toHaveLength(1 + 5 * 9 + 1 + 1);
});
