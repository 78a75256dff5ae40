// A client goes away, by socket.io-client 3.1, 4.1, 4.6 and 4.8, from npm's server and ours: what the server tells of
// it, that its session has ended, and that it comes back as if it were new.
import { expect, test } from 'vitest';

import { usePair } from './support/pair.js';
import { play } from './support/play.js';
import { ask, told } from './support/raw.js';
import { Relay } from './support/relay.js';
import type { ServerProcess } from './support/server-process.js';
import { kTransports, kVersions } from './support/versions.js';
import type { Version } from './support/versions.js';
import type { Options } from './support/witness.js';
import { closed, Witness } from './support/witness.js';

// npm's server tells a request that broke off from a connection that was closed, and ours a client that says so from one
// that is lost.
const kLost: Readonly<Record<string, string>> = { 'transport error': 'transport close', 'client close': 'transport close' };

const kWays: Readonly<Record<string, (gone: Witness, relay: Relay) => Promise<void>>> = {
  'is cut off amid a poll, or on a silent WebSocket': async (gone, relay) => {
    await gone.fence();
    if (gone.socket.io.engine.transport.name === 'polling') await relay.pollWaits();
    relay.cut();
  },
  'closes its connection': async (gone) => void gone.socket.io.engine.close(),
  'leaves its namespace': async (gone) => void gone.socket.disconnect(),
};

/** What was seen of a client that goes away by somebody who watches, by the server, and by itself. */
async function goesAway(server: ServerProcess, way: string, options: Options, version: Version): Promise<string[]> {
  const relay = await Relay.to(server.address);
  let gone: Witness | undefined;
  try {
    const seen = await play(server, async (watcher) => {
      const auth = { who: `${relay.url} ${way}` };
      await new Promise<void>((resolve) => watcher.socket.emit('watch', auth, () => resolve()));
      gone = new Witness(relay.url, { ...options, auth }, version.io);
      await gone.until('event auth');
      await gone.upgraded();
      const { engine } = gone.socket.io;
      // By the other transport: that says whether there is a session, and does nothing to it.
      const other = engine.transport.name === 'polling' ? 'websocket' : 'polling';
      const session = `${server.url}/socket.io/?EIO=4&transport=${other}&sid=${(engine as unknown as { id: string }).id}`;
      const before = told(await ask(session));
      watcher.saw.add(before);

      await kWays[way]!(gone, relay);

      // All that takes no ping: the first is due after 25 s.
      await watcher.until('event gone');
      await closed(engine);
      let answer = before;
      while (answer === before && watcher.socket.connected) answer = told(await ask(session));
      watcher.saw.add(answer);
      relay.reopen();
      if (!gone.socket.active) gone.socket.connect();
      await gone.until('event auth', 2);
      await gone.fence();
      gone.socket.disconnect();
      await watcher.until('event gone', 2);
      const lines = gone.saw.things.filter((line) => !line.startsWith('connect_error'));  // how often it tried is chance
      for (const line of lines) watcher.saw.add(`the one that went: ${line.replace(auth.who, 'who')}`);
    }, {});
    return seen.map((line) => line.replace(/^event gone \["(.*)"\]$/, (_line, reason: string) => `gone: ${kLost[reason] ?? reason}`));
  } finally {
    gone?.socket.disconnect();
    relay.close();
  }
}

const pair = usePair();

const kCases = Object.keys(kWays).flatMap((way) => Object.entries(kVersions).flatMap(([number, version]) => Object.entries(kTransports).map(([transport, options]) => ({ way, number, version, transport, options }))));

test.concurrent.each(kCases)('a client that $way: $number, over $transport', async ({ way, version, options }) => {
  const [expected, seen] = await Promise.all([pair.reference, pair.ours].map((server) => goesAway(server, way, options, version)));

  expect(seen).toEqual(expected);
});
