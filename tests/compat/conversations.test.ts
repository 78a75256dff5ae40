// What both sides say at once, by socket.io-client 3.1, 4.1, 4.6 and 4.8, against npm's server and ours: the client must
// see the same, in the same order.
import type { Socket } from 'sio48';
import { expect, test } from 'vitest';

import { usePair } from './support/pair.js';
import type { Script } from './support/play.js';
import { play } from './support/play.js';
import { kTransports, kVersions } from './support/versions.js';
import type { Witness } from './support/witness.js';
import { closed, show } from './support/witness.js';

type Answer = (...args: unknown[]) => void;

const kBytesMax = 1_000_000;  // maxPayload

const bytes = (count: number, start = 0) => Uint8Array.from({ length: count }, (_, at) => (start + at * 7) % 256);
const kValues: readonly unknown[][] = [[], [null], ['x', 1.5, { deep: [true] }], [bytes(3)], [{ a: { b: [bytes(1), { c: bytes(2) }] }, d: bytes(0) }, 'x', bytes(4)], ['x'.repeat(20_000), bytes(20_000)]];

const talkWhileItUpgrades: Script = async (client) => {
  // How often it goes to and fro meanwhile is chance: what is compared is that all came, and in order.
  const faults: string[] = [];
  const expectNext = (what: string) => {
    let next = 0;
    return (at: unknown) => {
      if (at !== next++) faults.push(`${what} ${String(at)} came as number ${next}`);
    };
  };
  const socket = client.socket.offAny();
  let bursts = 0;
  const [acked, echoed] = [expectNext('ack'), expectNext('echo')];
  let inBurst = expectNext('burst 0');
  socket.on('message-back', echoed);
  const state = { sent: 0, isUpgraded: false };
  const say = () => {
    for (let count = 0; count < 3; ++count) {
      socket.emit('message', state.sent, state.sent % 2 === 0 ? bytes(30) : 'x');
      socket.emit('message-with-ack', state.sent++, acked);
    }
    socket.emit('burst', 5, 100);
  };
  const done = new Promise<void>((resolve) => socket.on('burst', (at: number) => {
    inBurst(at);
    if (at < 4) return;
    inBurst = expectNext(`burst ${++bursts}`);
    if (bursts < 30 || !state.isUpgraded) say();
    else resolve();
  }));
  say();
  await client.upgraded();
  state.isUpgraded = true;
  await done;
  await client.fence();
  client.saw.add(faults.length === 0 ? 'all in order' : faults.join(', '));
};

/** Asks the server to ask; `answer` is what the client says to that. */
async function question(client: Witness, args: readonly unknown[], answer: (done: Answer) => void): Promise<void> {
  const answers = client.saw.things.filter((line) => line.startsWith('event answer')).length;
  client.socket.once('question-back', (...got: unknown[]) => answer(got.at(-1) as Answer));
  client.socket.emit('question', ...args);
  await client.until('event answer', answers + 1);
}

const noted = (client: Witness, what: string): Answer => (...args) => client.saw.add(`${what} ${show(args)}`);

const burst = (client: Witness, socket: Socket, count: number, chars = 0, rounds = 1) => {
  socket.emit('burst', count, chars);
  return client.until(`event burst [${count - 1},`, rounds);
};

const kScripts: Record<string, Script> = {
  'answers what the server asks, with any kind of value': async (client) => {
    for (const args of kValues) await question(client, args, (done) => done(...args));
    await question(client, ['only here', bytes(9)], (done) => done());
    await question(client, [], (done) => done(bytes(9), { also: bytes(8) }));
  },

  'answers in odd orders, and twice': async (client) => {
    const waiting: { at: number; done: Answer }[] = [];
    const all = new Promise<void>((resolve) => client.socket.on('question-back', (at: number, ...rest: unknown[]) => {
      waiting.push({ at, done: rest.at(-1) as Answer });
      if (waiting.length === 6) resolve();
    }));
    for (let at = 0; at < 6; ++at) client.socket.emit('question', at, at % 2 === 0 ? bytes(at) : 'x');
    await all;
    for (const at of [5, 0, 3, 5, 4, 1, 0, 2]) waiting[at]!.done('answer to', waiting[at]!.at, at % 3 === 0 ? bytes(at) : null);
    await client.until('event answer', 6);
    await client.fence();
  },

  'answers too late, or not at all': async (client) => {
    let late: Answer | undefined;
    await question(client, ['not answered'], (done) => (late = done));
    late!('too late');
    await client.fence();
    await question(client, ['answered'], (done) => done('in time'));
  },

  'is answered once, though the server does it twice': async (client) => {
    client.socket.emit('twice', noted(client, 'ack'));
    client.socket.emit('twice', noted(client, 'another ack'));
    await client.fence();
  },

  'asks for answers within a time, or as a promise': async (client, _options, { timesOut }) => {
    if (!timesOut) return;
    await client.until('event auth');
    client.socket.timeout(5_000).emit('message-with-ack', 'in time', bytes(3), noted(client, 'within 5 s'));
    await client.fence();
    client.socket.timeout(50).emit('burst', 0, 0, noted(client, 'within 50 ms'));  // is not answered in any way
    await client.until('within 50 ms');
    client.saw.add(show(await client.socket.emitWithAck('message-with-ack', 'a promise', bytes(2))));
    client.saw.add(show(await client.socket.timeout(5_000).emitWithAck('message-with-ack', { another: bytes(1) })));
    client.saw.add(await client.socket.timeout(50).emitWithAck('burst', 0).then(show, (error: Error) => error.message));
  },

  'sends what may be lost': async (client) => {
    client.socket.volatile.emit('message', 'lost: not yet connected');
    await client.until('event auth');
    await client.upgraded();
    const { engine } = client.socket.io;
    for (const args of [['kept'], ['kept, with bytes', bytes(3), { more: bytes(2) }]]) {
      await client.fence();
      while (!engine.transport.writable || engine.writeBuffer.length > 0) await new Promise((resolve) => engine.once('drain', () => resolve(undefined)));
      client.socket.volatile.emit('message', ...args);
      await client.fence();
    }
    client.socket.disconnect();
    await closed(client.socket.io.engine);  // old clients may mix the next connection up with it
    client.socket.volatile.emit('message', 'lost: no longer connected');
    client.socket.connect();
    await client.until('event auth', 2);
    await client.fence();
  },

  'is put out of a namespace, and comes again': async (client) => {
    await client.until('event auth');
    const custom = client.join('/custom', { auth: { who: 'custom' } });
    await client.until('/custom event auth');
    client.socket.emit('message', 'before');
    client.socket.emit('leave');
    await client.until('disconnect io server disconnect');
    await client.fence(custom);
    client.socket.connect();
    await client.until('event auth', 3);
    await client.fence();
    custom.emit('leave');
    await client.until('/custom disconnect');
    await client.fence();
    custom.connect();
    await client.until('/custom event auth', 2);
    await client.fence(custom);
  },

  'is put out of its only namespace, and comes again': async (client) => {
    await client.until('event auth');
    await client.upgraded();
    client.socket.emit('leave');
    await client.until('disconnect');
    await closed(client.socket.io.engine);  // old clients may mix the next connection up with it
    client.socket.connect();
    await client.until('event auth', 2);
    await client.fence();
  },

  'is closed by the server, and comes back': async (client) => {
    await client.until('event auth');
    await client.upgraded();
    client.join('/custom');
    await client.until('/custom event auth');
    client.socket.emit('message', 'before');
    await client.until('before');
    client.socket.emit('close');
    await client.until('/custom event auth', 2);
    await client.until('event auth', 4);
    await client.fence();
  },

  'leaves, closes and comes back in each way there is': async (client) => {
    const { socket } = client;
    const ends: (() => void)[] = [() => socket.disconnect(), () => socket.io.engine.close(), () => socket.emit('close'), () => socket.emit('leave'), () => socket.io.reconnection(false).engine.close()];
    for (const [at, end] of ends.entries()) {
      await client.until('event auth', at + 1);
      await client.upgraded();
      end();
      await client.until('disconnect', at + 1);
      await closed(client.socket.io.engine);  // old clients may mix the next connection up with it
      socket.connect();
    }
    await client.until('event auth', ends.length + 1);
    await client.fence();
  },

  'has several namespaces, each with its auth, and leaves them in another order': async (client) => {
    client.socket.auth = { who: 'main' };
    await client.until('event auth');
    const custom = client.join('/custom', { auth: (answer: (auth: object) => void) => answer({ who: 'custom', list: [1, 'ü'] }) });
    await client.until('/custom event auth');
    const query = client.join('/custom?x=1', { auth: { who: 'query' } });
    await client.until('/custom?x=1 connect');
    const also = client.join('/?x=1', { auth: { who: 'query of main' } });
    await client.until('/?x=1 connect');
    await Promise.all([client.socket, custom].map(async (socket, at) => {
      for (let count = 0; count < 20; ++count) socket.emit('message', at, count, count % 4 === 0 ? bytes(count) : null);
      await client.fence(socket);
    }));
    query.disconnect();
    also.disconnect();
    client.socket.disconnect();
    await client.fence(custom);
    client.socket.connect();
    await client.until('event auth', 3);
    custom.disconnect();
    await client.fence();
  },

  'sends at once more than fits into a payload': async (client, { transports }, { splits }) => {
    if (!splits && (transports as string[])[0] === 'polling' && transports!.length === 1) return;  // one POST, which is refused
    await client.until('event auth');
    await client.upgraded();
    await client.fence();
    for (let at = 0; at < 5; ++at) client.socket.emit('message', at, 'x'.repeat(kBytesMax * 0.3));
    for (let at = 0; at < 5; ++at) client.socket.emit('message', at, bytes(kBytesMax * 0.2, at));
    client.socket.emit('message', 'ü'.repeat(kBytesMax * 0.4));
    await client.fence();
  },

  'gets big events': async (client) => {
    await client.until('event auth');
    await burst(client, client.socket, 3, 900_000);
    await client.fence();
    await burst(client, client.socket, 1, 1_000_000);
    await client.fence();
  },

  'talks and listens while it upgrades, with nothing lost, twice or out of order': talkWhileItUpgrades,

  'gets many events in a moment': async (client) => {
    await burst(client, client.socket, 1_000, 10);
    await client.fence();
  },
};

const pair = usePair();

const kClients = Object.entries(kVersions).flatMap(([number, version]) => Object.entries(kTransports).map(([transport, options]) => ({ number, version, transport, options })));
const kCases = Object.entries(kScripts).flatMap(([name, script]) => kClients.map((client) => ({ name, script, ...client })));

test.concurrent.each(kCases)('a client that $name: $number, over $transport', async ({ script, version, options }) => {
  const [expected, seen] = await Promise.all([pair.reference, pair.ours].map((server) => play(server, script, options, version)));

  expect(seen).toEqual(expected);
});

// npm's server closes the connection with it, unless the event is read together with the one that made it leave.
test.concurrent.each(kClients)('what was on its way to a namespace that the server has left ends nothing: $number, over $transport', async ({ version, options }) => {
  const seen = await play(pair.ours, async (client) => {
    await client.until('event auth');
    const custom = client.join('/custom');
    await client.until('/custom event auth');
    custom.emit('leave');
    for (let at = 0; at < 50; ++at) custom.emit('message', at, bytes(at));
    await client.fence();
    custom.connect();
    await client.until('/custom event auth', 2);
    await client.fence(custom);
  }, options, version);

  expect(seen).toEqual(['connect', 'event auth [{}]', '/custom connect', '/custom event auth [{}]', '/custom disconnect io server disconnect, active: false', '/custom connect', '/custom event auth [{}]']);
});
