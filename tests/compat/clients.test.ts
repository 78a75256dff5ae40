// The same scripts of socket.io-client against npm's server and ours: the client must see the same.
import { expect, test } from 'vitest';

import { usePair } from './support/pair.js';
import type { Script } from './support/play.js';
import { play } from './support/play.js';
import { ours, reference } from './support/server-process.js';
import { kTransports } from './support/versions.js';
import { Witness } from './support/witness.js';

const kBytesMax = 1_000_000;  // maxPayload

const bytes = (count: number, start = 0) => Uint8Array.from({ length: count }, (_, at) => (start + at * 7) % 256);

const kScripts: Record<string, Script> = {
  'connects without auth': async (client) => client.until('event auth'),

  'connects with auth': async (client) => {
    await client.until('event auth');
    client.socket.disconnect();
    client.socket.auth = { token: 'ü"\\', nested: { list: [1, null, 0.5] } };
    client.socket.connect();
    await client.until('event auth', 2);
    client.socket.disconnect();
    client.socket.auth = (answer) => answer({ from: 'a function' });
    client.socket.connect();
    await client.until('event auth', 3);
  },

  'joins and leaves namespaces of one connection': async (client) => {
    await client.until('event auth');
    const custom = client.join('/custom', { auth: { who: 'custom' } });
    await client.until('/custom event auth');
    custom.emit('message', 'to /custom', bytes(3));
    await client.fence(custom);
    client.socket.emit('message', 'to /');
    await client.fence();
    custom.disconnect();
    await client.fence();
    custom.connect();
    await client.until('/custom event auth', 2);
    client.socket.disconnect();
    await client.fence(custom);
  },

  'is refused an unknown namespace, and goes on in another': async (client) => {
    await client.until('event auth');
    for (const name of ['/nope', '/nope?x=1', '/custom/', '/Custom', '/custom?x=1', '/ümlaut']) {
      client.join(name);
      await client.until(`${name} connect`);
    }
    await client.fence();
  },

  'asks for an unknown namespace first': async (client, options) => {
    await client.until('event auth');
    const lost = new Witness(`${client.url}/nope`, options);
    await lost.until('connect_error');
    for (const line of lost.saw.things) client.saw.add(`other client: ${line}`);
    lost.socket.io._close();
    await client.fence();
  },

  'gets back each kind of value': async (client) => {
    const values = [[], [null], [true, false], [0, -1, 1.5, 1e21, 5e-7], ['', 'ü€😀', 'a\u0000\u001e\u2028"\\/'], [{}], [[]], [{ a: { b: [{ c: null }] } }],
      [{ _placeholder: false, num: 0 }], [{ ' ': 1, 'ü': 2 }], [Number.MAX_SAFE_INTEGER], ['x'.repeat(70_000)], [{ _placeholder: 'true' }]];
    for (const args of values) client.socket.emit('message', ...args);
    for (const args of values) client.ask(...args);
    await client.fence();
  },

  'gets acknowledgements in order, also of events that nobody handles': async (client) => {
    for (let at = 0; at < 40; ++at) client.ask(at, { at });
    await client.fence();
    client.socket.timeout(200).emit('nobody handles this', 1, (error: Error | null) => client.saw.add(`no ack: ${error?.message}`));
    client.socket.emit('', 1);
    client.socket.emit('nobody handles this either');
    await client.until('no ack');
    await client.fence();
  },

  'gets back bytes': async (client) => {
    client.socket.emit('message', bytes(0));
    client.socket.emit('message', bytes(1), bytes(2, 9), { deep: [{ er: bytes(3) }], text: 'x' }, Buffer.from('node'), bytes(4).buffer);
    client.socket.emit('message', 'between');
    client.socket.emit('message', ...Array.from({ length: 10 }, (_, at) => bytes(at, at)));
    client.ask(bytes(5), 'x', [bytes(6)]);
    client.ask(...Array.from({ length: 10 }, (_, at) => ({ at, bytes: bytes(100 * at, at) })));
    client.ask('after');
    const same = bytes(7);
    client.ask(same, same);
    await client.fence();
  },

  'sends more attachments than the server takes': async (client) => {
    await client.until('event auth');
    await client.upgraded();
    client.ask(...Array.from({ length: 11 }, (_, at) => bytes(at)));
    await client.until('disconnect');
    await client.until('event auth', 2);
    await client.fence();
  },

  'sends what is big': async (client) => {
    client.ask('x'.repeat(900_000));
    client.ask('ü'.repeat(400_000));
    client.ask(bytes(700_000));
    client.socket.emit('message', ...Array.from({ length: 4 }, (_, at) => bytes(150_000, at)));
    await client.fence();
  },

  'sends what is too big, and comes back': async (client) => {
    await client.until('event auth');
    await client.upgraded();
    client.ask('x'.repeat(kBytesMax));
    await client.until('disconnect');
    await client.until('event auth', 2);
    await client.fence();
  },

  'sends bytes that are too big, and comes back': async (client) => {
    await client.until('event auth');
    await client.upgraded();
    client.ask(bytes(kBytesMax + 1));
    await client.until('disconnect');
    await client.until('event auth', 2);
    await client.fence();
  },

  'sends much before it is connected': async (client) => {
    for (let at = 0; at < 200; ++at) {
      client.socket.emit('message', at);
      if (at % 10 === 0) client.ask(bytes(at));
    }
    await client.fence();
  },

  'sends much while it upgrades': async (client) => {
    await client.until('event auth');
    for (let at = 0; at < 100; ++at) {
      client.socket.emit('message', at, at % 7 === 0 ? bytes(9) : 'x');
      if (at % 5 === 0) await client.fence();
    }
  },

  'disconnects right behind an event, and comes back': async (client) => {
    await client.until('event auth');
    client.socket.emit('message', 'is not answered');
    client.socket.disconnect();
    await client.until('disconnect');
    client.socket.connect();
    await client.fence();
  },

  'leaves by closing the connection': async (client) => {
    await client.fence();
    client.socket.io.engine.close();
    await client.until('disconnect');
    await client.until('event auth', 2);
  },

  'says nothing in time': async (client, options) => {
    await client.until('event auth');
    // A connection that joins no namespace is closed after four seconds.
    const silent = new Witness(client.url, { ...options, autoConnect: false, reconnection: false });
    const manager = silent.socket.io;
    await new Promise<void>((resolve) => {
      manager.on('close', (reason) => { client.saw.add(`the silent one: ${reason}`); resolve(); });
      manager.open();
    });
  },
};

const pair = usePair();

const cases = Object.entries(kScripts).flatMap(([name, script]) => Object.entries(kTransports).map(([transport, options]) => ({ name, script, transport, options })));

// With the newest client; conversations.test.ts has the older ones.
test.concurrent.each(cases)('a client that $name, over $transport', async ({ script, options }) => {
  const [expected, seen] = await Promise.all([play(pair.reference, script, options), play(pair.ours, script, options)]);

  expect(seen).toEqual(expected);
});

test.each(Object.entries(kTransports))('a server that ends, and one that is killed, over %s', async (_transport, options) => {
  const [expected, seen] = await Promise.all([reference(), ours()].map(async (server) => {
    await server.up();
    const client = new Witness(server.url, options);
    await client.fence();
    await client.upgraded();
    for (const [signal, times] of [['SIGTERM', 1], ['SIGKILL', 2]] as const) {
      await server.end(signal);
      await client.until('disconnect', times);
      client.ask(`asked after ${signal}`);
      await server.up();
      await client.until('ack', times);
      await client.upgraded();
    }
    client.socket.disconnect();
    await server.end('SIGTERM');
    return client.saw.things.filter((line) => !line.startsWith('connect_error'));  // how often it tried is chance
  }));

  expect(seen).toEqual(expected);
  expect(seen!.filter((line) => line.startsWith('ack'))).toHaveLength(2);
});

test.each(Object.entries(kTransports))('many clients at once, over %s', async (_transport, options) => {
  const [expected, seen] = await Promise.all([pair.reference, pair.ours].map(async (server) => {
    const clients = Array.from({ length: 40 }, (_, at) => new Witness(server.url, { ...options, auth: { at } }));
    await Promise.all(clients.map(async (client, at) => {
      for (let count = 0; count < 10; ++count) {
        client.socket.emit('message', at, count, bytes(count));
        client.ask(at, count);
      }
      await client.fence();
    }));
    for (const { socket } of clients) socket.disconnect();
    return clients.map(({ saw }) => saw.things);
  }));

  expect(seen).toEqual(expected);
});
