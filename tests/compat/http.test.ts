// Requests by hand against npm's server and ours: statuses, bodies, headers that clients read, and what becomes
// of the session.
import { expect, test } from 'vitest';

import { usePair } from './support/pair.js';
import type { Answer, Sent } from './support/raw.js';
import { ask, RawPolling, RawSocket, told } from './support/raw.js';

const kMaxPayload = 1_000_000;

const pair = usePair();

/** Differences that are meant, by the name of the test. */
const kMeant: Readonly<Record<string, string>> = {
  'PUT': 'npm says 500 to a method that no session has',
  'DELETE': 'npm says 500 to a method that no session has',
  'asked with another EIO': 'who knows the session speaks version 4',
  'asked without EIO': 'who knows the session speaks version 4',
  'an upgrade without probe': 'npm takes it; without a probe, messages may overtake each other',
  'EIO=4&transport=polling': 'a WebSocket is no polling; npm opens a session and loses it',
  'EIO=3&transport=websocket': 'npm answers 101 first, and then with HTTP inside of the WebSocket',
  'transport=websocket': 'npm answers 101 first, and then with HTTP inside of the WebSocket',
};

function compare(name: string, expected: unknown, seen: unknown): void {
  const why = kMeant[name];
  if (why === undefined) expect(seen).toEqual(expected);
  else expect(seen, `no longer differs, though: ${why}`).not.toEqual(expected);
}

async function both<Told>(run: (url: string) => Promise<Told>): Promise<[Told, Told]> {
  return Promise.all([run(pair.reference.url), run(pair.ours.url)]);
}

const kRequests: readonly (readonly [query: string, sent?: Sent])[] = [
  [''],
  ['?EIO=4'],
  ['?EIO=4&transport=foo'],
  ['?EIO=4&transport='],
  ['?EIO=4&transport=POLLING'],
  ['?EIO=4&transport=webtransport'],
  ['?transport=polling'],
  ['?EIO=3&transport=polling'],
  ['?EIO=5&transport=polling'],
  ['?EIO=abc&transport=polling'],
  ['?EIO=&transport=polling'],
  ['?EIO=4&transport=polling'],
  ['?transport=polling&EIO=4&t=abc&b64=1&unknown=%20x&&='],
  ['?EIO=4&transport=polling', { method: 'POST', body: '40' }],
  ['?EIO=4&transport=polling', { method: 'PUT' }],
  ['?EIO=4&transport=polling', { method: 'DELETE' }],
  ['?EIO=4&transport=polling', { method: 'HEAD' }],
  ['?EIO=3&transport=polling', { method: 'POST' }],
  ['?transport=polling', { method: 'POST' }],
  ['?EIO=4&transport=foo', { method: 'POST' }],
  ['?EIO=4&transport=websocket'],
  ['?EIO=3&transport=websocket'],
  ['?EIO=4&transport=websocket', { method: 'POST' }],
  ['?EIO=4&transport=polling&sid=unknown'],
  ['?EIO=4&transport=polling&sid='],
  ['?EIO=4&transport=polling&sid=__proto__'],
  ['?EIO=4&transport=polling&sid=unknown', { method: 'POST', body: '40' }],
  ['?EIO=4&transport=websocket&sid=unknown'],
  ['?EIO=4&transport=foo&sid=unknown'],
  ['?EIO=3&transport=polling&sid=unknown'],
  ['?EIO=4&transport=polling', { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } }],
];

const kOrigin = 'https://photo-platform.com';
// Headers that browsers and caches act on.
const kHeaders = ['access-control-allow-origin', 'access-control-allow-credentials', 'cache-control', 'set-cookie'];

function toldWithHeaders(answer: Answer): string {
  return [told(answer), ...kHeaders.filter((name) => answer.headers[name] !== undefined).map((name) => `${name}: ${String(answer.headers[name])}`)].join(' | ');
}

for (const path of ['/socket.io/', '/engine.io/']) {
  test.each(kRequests.map(([query, sent = {}]) => [`${sent.method ?? 'GET'} ${path}${query}`, query, sent] as const))('%s', async (name, query, sent) => {
    const [expected, seen] = await both(async (url) => toldWithHeaders(await ask(`${url}${path}${query}`, { ...sent, headers: { origin: kOrigin, ...sent.headers } })));

    compare(name, expected, seen);
  });
}

type Play = (session: RawPolling) => Promise<readonly (Answer | string)[]>;

/** How a session that is over shows itself: at once, or after a last `1`. */
async function after(session: RawPolling): Promise<string> {
  return (await Promise.race([session.drain(/^4alive/), alive(session)])).join(' ');
}

async function alive(session: RawPolling): Promise<string[]> {
  const { status } = await session.post('4alive');
  return status === 200 ? new Promise(() => undefined) : ['over'];
}

const kPlays: Record<string, Play> = {
  'an echo': async (session) => [await session.post('4a\x1e4b'), await session.get()],
  'bytes': async (session) => [await session.post('bAQIDBA==\x1e4x'), await session.get()],
  'UTF-8, counted in bytes': async (session) => {
    const post = await session.post('4ü€😀');
    const poll = await session.get();
    return [post, poll, `${poll.headers['content-length']}`];
  },
  'a poll that waits': async (session) => {
    const poll = session.get();
    return [await session.post('4a'), await poll];
  },
  'a POST of no bytes': async (session) => [await session.post('').then(() => ''), await after(session)],
  'an empty packet at the end': async (session) => [await session.post('4a\x1e').then(() => ''), await after(session)],
  'an empty packet at the begin': async (session) => [await session.post('\x1e4a').then(() => ''), await after(session)],
  'application/octet-stream': async (session) => [told(await session.post('4a', { 'content-type': 'application/octet-stream' })).slice(0, 3), await after(session)],
  'another type': async (session) => [await session.post('4a', { 'content-type': 'application/json' }), await session.get()],
  'as much as may be': async (session) => [await session.post('4'.repeat(kMaxPayload)), `${(await session.get()).body.length}`],
  'one byte too much': async (session) => [`${(await session.post('4'.repeat(kMaxPayload + 1))).status}`],
  'a chunked POST': async (session) => [await session.post('4a', { 'transfer-encoding': 'chunked' }), await session.get()],
  'the close packet while a poll waits': async (session) => {
    const poll = session.get();
    return [await session.post('1'), await poll, await session.get()];
  },
  'the close packet': async (session) => [await session.post('1'), await after(session)],
  'a second poll while one waits': async (session) => {
    const first = session.get();
    await session.post('6');  // the first is there by now
    const second = await session.get();
    return [await first, `${second.status}`, await after(session)];
  },
  'a second POST while one is on its way': async (session) => {
    const first = await session.beginPost();
    const second = await session.post('4b');
    const end = await first.end();
    return [`${second.status}`, end === 'cut' || end.status !== 200 ? 'the first is lost' : 'the first is taken', await after(session)];
  },
  'PUT': async (session) => [await ask(`${session.url}&sid=${session.sid}`, { method: 'PUT' }).then(({ status }) => `${status}`, () => 'cut')],
  'DELETE': async (session) => [await ask(`${session.url}&sid=${session.sid}`, { method: 'DELETE' }).then(({ status }) => `${status}`, () => 'cut')],
  'asked as WebSocket without an upgrade': async (session) => [await ask(`${session.url.replace('polling', 'websocket')}&sid=${session.sid}`), await session.post('4alive'), await session.get()],
  'asked with another EIO': async (session) => [await ask(`${session.url.replace('EIO=4', 'EIO=3')}&sid=${session.sid}`, { method: 'POST', body: '4a' })],
  'asked without EIO': async (session) => [await ask(`${session.url.replace('EIO=4&', '')}&sid=${session.sid}`, { method: 'POST', body: '4a' })],
  'asked under the other path': async (session) => [await ask(`${session.url.replace('/engine.io/', '/socket.io/')}&sid=${session.sid}`), await session.post('4alive'), await session.get()],
  'a poll that the client gives up': async (session) => {
    const gone = new AbortController();
    const poll = session.get({ signal: gone.signal }).catch(() => undefined);
    await session.post('6');
    gone.abort();
    await poll;
    for (;;) {  // until the server has noticed
      const { status, body } = await session.post('6');
      if (status !== 200) return [`${status} ${body}`];
    }
  },
};

test.each(Object.entries(kPlays))('over polling: %s', async (name, play) => {
  const [expected, seen] = await both(async (url) => {
    const session = await RawPolling.open(`${url}/engine.io/`);
    return (await play(session)).map((one) => (typeof one === 'string' ? one : told(one)));
  });

  compare(name, expected, seen);
});

interface Upgrading {
  readonly polling: RawPolling;
  /** A WebSocket to the session. */
  readonly probe: () => RawSocket;
}

const kUpgrades: Record<string, (session: Upgrading) => Promise<string[]>> = {
  'the upgrade': async ({ polling, probe }) => {
    const socket = probe();
    await socket.opened;
    socket.send('2probe');
    await socket.until(/^3probe/);
    const poll = await polling.get();
    await polling.post('4over polling');
    socket.send('5', '4over WebSocket');
    await socket.until(/^4over WebSocket/);
    return [told(poll), ...socket.saw.things, told(await polling.get()), told(await polling.post('4late'))];
  },
  'a wrong probe': async ({ polling, probe }) => failed(polling, probe(), ['2wrong']),
  'a ping for a probe': async ({ polling, probe }) => failed(polling, probe(), ['2']),
  'a message for a probe': async ({ polling, probe }) => failed(polling, probe(), ['4x']),
  'an upgrade without probe': async ({ probe }) => {
    const socket = probe();
    await socket.opened;
    socket.send('5', '4alive');
    return socket.until(/^4alive|^closed/);
  },
  'a message between probe and upgrade': async ({ polling, probe }) => failed(polling, probe(), ['2probe', '4x']),
  'rubbish for a probe': async ({ polling, probe }) => failed(polling, probe(), ['x']),
  'bytes for a probe': async ({ polling, probe }) => failed(polling, probe(), [Uint8Array.of(1)]),
  'a WebSocket that goes before the upgrade': async ({ polling, probe }) => {
    const socket = probe();
    await socket.opened;
    socket.send('2probe');
    await socket.until(/^3probe/);
    socket.close();
    return [await echo(polling)];
  },
  'a second WebSocket while one probes': async ({ polling, probe }) => {
    const first = probe();
    await first.opened;
    first.send('2probe');
    await first.until(/^3probe/);
    const second = probe();
    await second.until(/^closed|^refused/);
    first.send('5', '4x');
    await first.until(/^4x/);
    return [...first.saw.things, ...second.saw.things, told(await polling.get())];
  },
  'a second WebSocket after the upgrade': async ({ probe }) => {
    const first = probe();
    await first.opened;
    first.send('2probe', '5');
    await first.until(/^3probe/);
    const second = probe();
    await second.until(/^closed|^refused/);
    first.send('4x');
    await first.until(/^4x/);
    return [...first.saw.things, ...second.saw.things];
  },
};

/** What a WebSocket got that did not become the transport, and that polling goes on. */
async function failed(polling: RawPolling, socket: RawSocket, packets: (string | Uint8Array)[]): Promise<string[]> {
  await socket.opened;
  socket.send(...packets);
  await socket.until(/^closed/);
  return [...socket.saw.things, await echo(polling)];
}

async function echo(polling: RawPolling): Promise<string> {
  await polling.post('4alive');
  return (await polling.drain(/^4alive/)).join(' ');
}

test.each(Object.entries(kUpgrades))('upgrading: %s', async (name, play) => {
  const [expected, seen] = await both(async (url) => {
    const polling = await RawPolling.open(`${url}/engine.io/`);
    return play({ polling, probe: () => new RawSocket(`${url}/engine.io/`, `EIO=4&transport=websocket&sid=${polling.sid}`) });
  });

  compare(name, expected, seen);
});

test.each([
  ['EIO=4&transport=foo'],
  ['EIO=4&transport=websocket&sid=unknown'],
  ['EIO=3&transport=websocket'],
  ['EIO=4'],
  ['transport=websocket'],
  ['EIO=4&transport=polling'],
])('a WebSocket with %s', async (query) => {
  const [expected, seen] = await both(async (url) => {
    const socket = new RawSocket(`${url}/engine.io/`, query);
    return socket.until(/^closed|^refused/);
  });

  compare(query, expected, seen);
});

test.each([
  ['as much as may be', kMaxPayload],
  ['one byte too much', kMaxPayload + 1],
])('over WebSocket: %s', async (_name, count) => {
  const [expected, seen] = await both(async (url) => {
    const socket = new RawSocket(`${url}/engine.io/`);
    await socket.until(/^0/);
    socket.send('4'.repeat(count));
    const lines = await socket.until(/^4|^closed/);
    return lines.slice(1).map((line) => (line.startsWith('4') ? `${line.length}` : line));
  });

  expect(seen).toEqual(expected);
});
