import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { clientOf, Seen, startBus } from '../test/support.js';
import type { EventBus } from './index.js';
import type { PlaceOwner } from './place-store.js';
import { claimEntry, PlaceStore } from './place-store.js';

// As a browser's, kept over the "reloads" of one test.
class TabStorage {
  readonly entries = new Map<string, string>();
  readonly getItem = (key: string) => this.entries.get(key) ?? null;
  readonly setItem = (key: string, value: string) => void this.entries.set(key, value);
  readonly removeItem = (key: string) => void this.entries.delete(key);
}

let tab: TabStorage;
let page: EventTarget;

beforeEach(() => {
  tab = new TabStorage();
  page = new EventTarget();
  vi.stubGlobal('sessionStorage', tab);
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
});

afterEach(() => vi.unstubAllGlobals());

function reload(): void {
  page.dispatchEvent(new Event('pagehide'));
}

// The page goes: the browser ends its connection and its code, and nobody calls close().
async function leave(client: EventBus): Promise<void> {
  reload();
  const kept = [...tab.entries];
  await client.close();
  for (const [key, entry] of kept) tab.setItem(key, entry);
}

function goAway(store: PlaceStore): void {
  reload();
  const kept = [...tab.entries];
  store.close();
  for (const [key, entry] of kept) tab.setItem(key, entry);
}

test('a page that is loaded again gets what it missed, of its own rooms and of what it watches again', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  const first = new Seen<{ id: string }>();
  await before.subscribe('photo:1', first.add);
  await before.subscribe('photo:2', first.add);
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  await first.atLeast(1);
  await leave(before);

  bus.publish({ type: 'photo.b', subject: 'photo:1', data: {} });
  bus.publish({ type: 'photo.c', subject: 'photo:2', data: {} });
  const after = clientOf(bus);
  const second = new Seen<{ id: string }>();
  await after.subscribe('photo:1', second.add); // known at CONNECT
  await after.subscribe('photo:2', second.add); // when it is connected
  const fresh = await after.subscribe('photo:3', () => expect.unreachable()); // not watched before

  expect((await second.atLeast(2)).map(({ id }) => id)).toEqual(['e2', 'e3']);
  expect(bus.connects.find(({ since }) => since === '1.1')).toMatchObject({ topics: ['photo:1'] });
  expect(bus.sent('subscribe').slice(-3)).toEqual([['photo:1', {}], ['photo:2', { since: '1.1' }], ['photo:3', {}]]);
  expect(fresh.offset).toBe('1.3');
});

test('a page that is loaded again gets nothing of a topic from before that was watched', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  bus.publish({ type: 'photo.old', subject: 'photo:2', data: {} });
  await before.subscribe('photo:2', () => {});
  await leave(before);

  const seen = new Seen<{ id: string }>();
  bus.publish({ type: 'photo.missed', subject: 'photo:2', data: {} });
  await clientOf(bus).subscribe('photo:2', seen.add);

  expect((await seen.atLeast(1)).map(({ id }) => id)).toEqual(['e2']);
});

test.each([
  ['no event had come', false, ['e1']],
  ['the page is loaded once more before it watches anything', true, ['e2']],
])('a page that is loaded again goes on though %s', async (_what, isTwice, expected) => {
  const bus = await startBus();
  const before = clientOf(bus);
  const first = new Seen<unknown>();
  await before.subscribe('photo:1', first.add);
  if (isTwice) bus.publish({ type: 'photo.seen', subject: 'photo:1', data: {} });
  if (isTwice) await first.atLeast(1);
  await leave(before);
  if (isTwice) {
    const between = clientOf(bus);
    between.on('tick', () => {});
    await leave(between);
  }

  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  const after = clientOf(bus);
  const seen = new Seen<{ id: string }>();
  await after.subscribe('photo:1', seen.add);
  await after.publish('tick', {}); // is answered behind what was missed

  expect(seen.things.map(({ id }) => id)).toEqual(expected);
});

test('a page that is loaded again while it catches up gets the rest, of what it had not watched again, too', async () => {
  const bus = await startBus();
  const first = clientOf(bus);
  for (const topic of ['photo:1', 'photo:2', 'photo:3']) await first.subscribe(topic, () => {});
  await leave(first);
  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  bus.script('subscribe', 'silence', 'silence');
  const second = clientOf(bus);
  const seen = new Seen<{ id: string }>();
  for (const topic of ['photo:1', 'photo:2']) second.subscribe(topic, seen.add).catch(() => {});
  await seen.atLeast(1); // and no answer
  await leave(second);

  for (const topic of ['photo:1', 'photo:2', 'photo:3']) bus.publish({ type: 'photo.later', subject: topic, data: {} });
  const third = clientOf(bus);
  for (const topic of ['photo:1', 'photo:2', 'photo:3']) await third.subscribe(topic, seen.add);

  await third.publish('tick', {}); // is answered behind what was missed
  expect(seen.things.map(({ id }) => id).sort()).toEqual(['e1', 'e2', 'e3', 'e4']);
});

test('a session that is forgotten while its topics catch up goes on from the last place, not from the answers', async () => {
  const bus = await startBus();
  const first = clientOf(bus);
  await first.subscribe('photo:1', () => {});
  await leave(first);
  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  bus.publish({ type: 'photo.late', subject: 'photo:1', data: {} });
  const second = clientOf(bus);
  const seen = new Seen<{ id: string }>();
  // It is told to be in it from 1.2 on, and none of what comes before has come.
  bus.script('subscribe', { ok: true, topic: 'photo:1', offset: '1.2' });
  bus.hides = true;
  await second.subscribe('photo:1', seen.add);
  bus.hides = false;
  await bus.stop();
  await bus.listen();

  expect((await seen.atLeast(2)).map(({ id }) => id)).toEqual(['e1', 'e2']);
});

test('a page that is loaded again before a new session has confirmed a topic gets what it missed of that', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  const ticks = new Seen<unknown>();
  before.on('tick', ticks.add);
  await before.publish('any', {});
  bus.show(bus.publish({ type: 'tick', data: {} })); // the last place, 1.2, is not where the subscription begins
  await ticks.atLeast(1);
  bus.publish({ type: 'audit.old', data: {} });
  const seen = new Seen<{ id: string }>();
  await before.subscribe('photo:1', seen.add);
  bus.script('subscribe', 'silence');
  await bus.stop();
  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  await bus.listen();
  await bus.until(() => bus.sent('subscribe').length === 2);
  bus.show(bus.publish({ type: 'tick', data: {} }));
  await ticks.atLeast(2);
  await leave(before);

  bus.publish({ type: 'photo.later', subject: 'photo:1', data: {} });
  const after = clientOf(bus);
  await after.subscribe('photo:1', seen.add);
  await after.publish('any', {});

  expect((await seen.atLeast(2)).map(({ id }) => id)).toEqual(['e4', 'e6']);
});

test('a page that is loaded again after its log was replaced goes on from now, and the gap is told', async () => {
  const bus = await startBus();
  bus.replaceLog();
  tab.setItem('eventbus:/', JSON.stringify({ place: '1.1', topics: ['photo:1', 'photo:2'], principal: 'a hash' }));
  const client = clientOf(bus, { resumeKey: '/' });
  const gaps = new Seen<unknown>();
  client.onGap(gaps.add);

  expect(await client.subscribe('photo:1', () => {})).toMatchObject({ offset: '2.0' });
  expect(await client.subscribe('photo:2', () => {})).toMatchObject({ offset: '2.0' });

  expect(gaps.things).toEqual([{ from: '1.1', to: '2.0' }]);
});

test('each handler of a topic goes on from its own place: also one that is registered when the first has been confirmed', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  await before.subscribe('photo:1', () => {});
  await before.publish('tick', {});
  await leave(before);

  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  const after = clientOf(bus);
  const seen = [new Seen<{ id: string }>(), new Seen<{ id: string }>(), new Seen<{ id: string }>()];
  for (const { add } of seen) await after.subscribe('photo:1', add); // the page before had no third one
  bus.publish({ type: 'photo.new', subject: 'photo:1', data: {} });
  await after.publish('tick', {}); // is answered behind what came

  expect(seen.map(({ things }) => things.map(({ id }) => id))).toEqual([['e2', 'e3'], ['e2', 'e3'], ['e3']]);
});

test('a handler is given nothing again for one of its topic that is behind', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  const first = new Seen<{ id: string }>();
  await before.subscribe('photo:1', first.add);
  await before.subscribe('photo:1', () => new Promise(() => {}), { concurrency: 1 });
  for (let n = 0; n < 3; ++n) bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  await first.atLeast(3);
  reload();
  const kept = [...tab.entries];
  await before.close({ drainMs: 0 });
  for (const [key, entry] of kept) tab.setItem(key, entry);

  const after = clientOf(bus);
  const seen = [new Seen<{ id: string }>(), new Seen<{ id: string }>()];
  void after.subscribe('photo:1', seen[0]!.add);
  await after.subscribe('photo:1', seen[1]!.add);
  await seen[1]!.atLeast(2);
  await after.publish('tick', {});

  expect(seen.map(({ things }) => things.map(({ id }) => id))).toEqual([[], ['e2', 'e3']]);
});

test('handlers of one topic with and without `group: null` each have their place, in the order of their subscription', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo.*', () => {});
  const second = new Seen<{ id: string }>();
  await before.subscribe('photo.*', second.add, { group: null });
  bus.publish({ type: 'photo.a', data: {} });
  await second.atLeast(1);
  await leave(before);
  bus.publish({ type: 'photo.b', data: {} });

  const after = clientOf(bus);
  const seen = [new Seen<{ id: string }>(), new Seen<{ id: string }>()];
  await after.subscribe('photo.*', seen[0]!.add);
  await after.subscribe('photo.*', seen[1]!.add, { group: null });
  await after.publish('tick', {});

  expect(seen.map(({ things }) => things.map(({ id }) => id))).toEqual([['e2'], ['e2']]);
});

test.each([
  ['owes a history', { since: '1.0' }],
  ['has events that wait for their turn', { since: '1.0', concurrency: 1 }],
])('a page that is loaded again just after its log was replaced, while a handler %s, goes on in the new log', async (_what, options) => {
  const bus = await startBus();
  for (let n = 0; n < 2; ++n) bus.publish({ type: 'photo.old', subject: 'photo:1', data: {} });
  const before = clientOf(bus);
  const gaps = new Seen<unknown>();
  before.onGap(gaps.add);
  const first = new Seen<unknown>();
  await before.subscribe('photo:1', (event) => (first.add(event), new Promise(() => {})), options);
  await first.atLeast(1);
  await before.publish('tick', {});
  bus.script('subscribe', 'silence');
  await bus.stop();
  bus.replaceLog();
  await bus.listen();
  await gaps.atLeast(1);
  reload();
  const kept = [...tab.entries];
  await before.close({ drainMs: 0 });
  for (const [key, entry] of kept) tab.setItem(key, entry);

  bus.publish({ type: 'photo.new', subject: 'photo:1', data: {} });
  const seen = new Seen<{ offset: string }>();
  const after = clientOf(bus);
  await after.subscribe('photo:1', seen.add);

  await after.publish('tick', {}); // is answered behind what was missed
  expect(seen.things.map(({ offset }) => offset)).toEqual(['2.1']);
});

test('a page in which somebody else is signed in finds nothing of the one before, and works', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  await before.publish('tick', {});
  await leave(before);
  bus.principal = 'another hash';
  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });
  const after = clientOf(bus);
  after.onError(() => expect.unreachable());

  await after.subscribe('photo:1', () => expect.unreachable());
  await after.publish('tick', {});

  expect(bus.connects.at(-2)).toMatchObject({ principal: 'a hash' });
  expect(bus.connects.at(-1)).not.toHaveProperty('since');
});

test('a tab in which the user has signed out keeps nothing of them', async () => {
  const bus = await startBus();
  let token: string | null = 'a token';
  const client = clientOf(bus, { token: () => token });
  client.onError(() => {});
  await client.subscribe('photo:1', () => {});
  await client.publish('tick', {});
  reload();
  expect(tab.entries.size).toBe(1);

  token = null;
  client.reconnect();
  await vi.waitFor(() => expect(client.state.status).toBe('closed'));

  expect(tab.entries.size).toBe(0);
});

test('two clients of one page each keep their own place', async () => {
  const bus = await startBus();
  const pages = [clientOf(bus), clientOf(bus)];
  await pages[0]!.subscribe('photo:1', () => {});
  await pages[1]!.subscribe('photo:2', () => {});

  reload();

  const topics = [...tab.entries.values()].map((entry) => (JSON.parse(entry) as { topics: unknown[] }).topics.flat()[0]);
  expect(topics).toEqual(['photo:1', 'photo:2']);
});

test('a place is written soon after it is passed, and not for each event', () => {
  vi.useFakeTimers();
  const store = new PlaceStore(claimEntry('tab'));
  store.signIn('a hash');
  const setItem = vi.spyOn(tab, 'setItem');

  for (let n = 1; n <= 100; ++n) store.pass(`1.${n}`);
  expect(setItem).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1_000);
  store.close();
  vi.useRealTimers();

  expect(setItem.mock.calls).toEqual([['eventbus:tab', '{"place":"1.100","topics":[],"principal":"a hash"}']]);
});

test('close forgets the place and leaves no timer', () => {
  vi.useFakeTimers();
  const store = new PlaceStore(claimEntry('tab'));
  store.pass('1.1');
  reload();
  store.pass('1.2');

  store.close();

  expect(tab.entries.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('another key begins anew, and none keeps nothing', () => {
  const before = new PlaceStore(claimEntry('alice'));
  before.signIn('a hash');
  before.pass('1.1');
  new PlaceStore(undefined).pass('1.2');
  goAway(before);

  expect(new PlaceStore(claimEntry('alice')).place).toBe('1.1');
  expect(new PlaceStore(claimEntry('bob')).place).toBeUndefined();
  expect([...tab.entries.keys()]).toEqual(['eventbus:alice']);
});

test.each(['', 'no json', '[]', '{"place":1,"topics":[],"principal":"p"}', '{"place":"1.1","principal":"p"}', '{"place":"1.1","topics":[]}', '{"place":"1.1","topics":[1],"principal":"p"}', '{"place":"1.1","topics":[null],"principal":"p"}', `{"place":"1.1","topics":[],"principal":"${'p'.repeat(257)}"}`])('an entry %j is as none', (entry) => {
  tab.setItem('eventbus:tab', entry);

  expect(new PlaceStore(claimEntry('tab')).place).toBeUndefined();
});

test('a page that is loaded again gets what had come and waited for its turn', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  const handled: string[] = [];
  const first = new Seen<unknown>();
  const handler = async ({ id }: { id: string }) => {
    handled.push(id);
    first.add(id);
    await new Promise(() => {}); // it is at work on it when the page goes
  };
  await before.subscribe('photo:1', handler, { concurrency: 1 });
  for (let n = 0; n < 3; ++n) bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  await before.publish('tick', {}); // is answered behind them
  await first.atLeast(1);
  reload();
  const kept = [...tab.entries];
  await before.close({ drainMs: 0 });
  for (const [key, entry] of kept) tab.setItem(key, entry);

  const after = clientOf(bus);
  const seen = new Seen<{ id: string }>();
  await after.subscribe('photo:1', seen.add);

  expect([handled, (await seen.atLeast(2)).map(({ id }) => id)]).toEqual([['e1'], ['e2', 'e3']]);
});

test('a handler that is taken off takes its place with it', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  const first = await before.subscribe('photo:1', () => {});
  bus.script('subscribe', 'silence');
  void before.subscribe('photo:1', () => {}).catch(() => {});
  await bus.until(() => bus.sent('subscribe').length === 2);
  await first.unsubscribe();
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  await leave(before);

  const after = clientOf(bus);
  const seen = new Seen<{ id: string }>();
  await after.subscribe('photo:1', seen.add);
  bus.publish({ type: 'photo.b', subject: 'photo:1', data: {} });

  expect((await seen.atLeast(1)).map(({ id }) => id)).toEqual(['e2']); // the other had not been confirmed: its like is owed nothing
});

test('a handler keeps its place when one that was put on before it is taken off', async () => {
  const bus = await startBus();
  const page = async (client: EventBus, handler: (event: { id: string }) => unknown) => {
    const first = await client.subscribe('photo:1', () => {});
    await client.subscribe('photo:1', handler);
    await first.unsubscribe();
  };
  const before = clientOf(bus);
  await page(before, () => {});
  await leave(before);
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });

  const seen = new Seen<{ id: string }>();
  await page(clientOf(bus), seen.add);

  expect((await seen.atLeast(1)).map(({ id }) => id)).toEqual(['e1']);
});

test('a handler that is put on, off and on again before it has begun goes on from its place', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  await leave(before);
  bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });

  const after = clientOf(bus);
  const mounted = new AbortController();
  void after.subscribe('photo:1', () => {}, { signal: mounted.signal }).catch(() => {});
  mounted.abort();
  const seen = new Seen<{ id: string }>();
  await after.subscribe('photo:1', seen.add);

  expect((await seen.atLeast(1)).map(({ id }) => id)).toEqual(['e1']);
});

test('a client that is made while the one before still closes has its entry', async () => {
  const bus = await startBus();
  const first = clientOf(bus);
  await first.subscribe('photo:1', () => {});
  void first.close();

  await clientOf(bus).subscribe('photo:1', () => {});

  expect([...tab.entries.keys()]).toEqual([`eventbus:${bus.url}`]);
});

test('disconnect() in the first turn of a page that goes on from a place is no end', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  await leave(before);

  const after = clientOf(bus);
  after.on('photo.*', () => {});
  after.disconnect();

  await after.subscribe('photo:1', () => {});
});

test('a page that is loaded again goes on from a place in order, if a history began behind it', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  await bus.stop();
  for (let n = 0; n < 3; ++n) bus.publish({ type: 'photo.a', subject: 'photo:1', data: {} });
  bus.hides = true;
  await bus.listen();
  await before.subscribe('photo:1', () => {}, { since: '1.2' });
  await leave(before);

  bus.hides = false;
  const seen = new Seen<{ id: string }>();
  await clientOf(bus).subscribe('photo:1', seen.add);

  expect((await seen.atLeast(3)).map(({ id }) => id)).toEqual(['e1', 'e2', 'e3']);
});

test('a client that is closed before it was used leaves its entry, and what is in it, to the next', async () => {
  const bus = await startBus();
  const before = clientOf(bus);
  await before.subscribe('photo:1', () => {});
  await before.publish('tick', {});
  await leave(before);
  bus.publish({ type: 'photo.missed', subject: 'photo:1', data: {} });

  await clientOf(bus).close();
  const mounted = clientOf(bus);
  mounted.on('photo.*', () => {});
  await mounted.close();
  const after = clientOf(bus);
  const seen = new Seen<{ id: string }>();
  await after.subscribe('photo:1', seen.add);

  expect((await seen.atLeast(1)).map(({ id }) => id)).toEqual(['e2']);
});

test('a place whose owner is not known yet is not kept', () => {
  const store = new PlaceStore(claimEntry('tab'));
  store.pass('1.1');
  reload();
  expect(tab.entries.size).toBe(0);

  store.signIn('a hash');
  expect(tab.entries.size).toBe(1);
  store.close();
});

test('the first place is kept at once, with its owner', async () => {
  const bus = await startBus();
  const client = clientOf(bus);
  client.on('tick', () => {});
  await client.publish('any', {}); // is answered behind the first place

  expect([...tab.entries.values()].map((entry) => JSON.parse(entry) as unknown)).toEqual([{ place: '1.0', topics: [], principal: 'a hash' }]);
});

// A handler that stands at `pointInPage`; undefined: it has not been confirmed.
function enterAt(store: PlaceStore, topic: string, pointInPage: string | undefined): PlaceOwner {
  const owner = { topic, pointInPage, isConfirmed: pointInPage !== undefined };
  store.enter(owner);
  return owner;
}

function kept(): unknown {
  reload();
  return (JSON.parse(tab.entries.get('eventbus:own')!) as { topics: unknown }).topics;
}

test('each handler has a place, by its topic and in order; one at the last place needs no more than its topic', () => {
  const store = new PlaceStore(claimEntry('own'));
  store.signIn('a hash');
  store.pass('1.9');
  enterAt(store, 'photo:1', '1.9');
  enterAt(store, 'photo:2', '1.5');
  const left = enterAt(store, 'photo:3', '1.4');
  enterAt(store, 'photo:3', undefined);
  enterAt(store, 'photo:3', '1.9');
  enterAt(store, 'photo:4', undefined);

  expect(kept()).toEqual(['photo:1', ['photo:2', '1.5'], ['photo:3', '1.4', null, '1.9']]);
  store.leave(left);
  expect(kept()).toEqual(['photo:1', ['photo:2', '1.5'], ['photo:3', null, null, '1.9']]); // the others stay where they are
  enterAt(store, 'photo:3', '1.3');
  expect(kept()).toEqual(['photo:1', ['photo:2', '1.5'], ['photo:3', '1.3', null, '1.9']]);
  goAway(store);
});

test('the next page takes them one after the other, and keeps those that it has not taken or not begun with', () => {
  tab.setItem('eventbus:own', '{"place":"1.9","topics":["photo:1",["photo:2","1.5",null,"1.7"]],"principal":"a hash"}');
  const store = new PlaceStore(claimEntry('own'));
  store.signIn('a hash');

  const owners = Array.from({ length: 4 }, () => enterAt(store, 'photo:2', undefined));

  expect(owners.map((owner) => store.inheritedBy(owner))).toEqual(['1.5', undefined, '1.7', undefined]);
  expect(kept()).toEqual(['photo:1', ['photo:2', '1.5', null, '1.7', null]]);
  store.leave(owners[0]!); // it had not begun
  owners[0] = enterAt(store, 'photo:2', undefined);
  expect(store.inheritedBy(owners[0])).toBe('1.5');
  store.restart('2.3');
  expect(kept()).toEqual(['photo:1', ['photo:2', '2.3', null, '2.3', null]]);
  store.forget();
  expect(owners.map((owner) => store.inheritedBy(owner))).toEqual([undefined, undefined, undefined, undefined]);
  store.close();
});

test('what no page has asked for again is kept for the latest 1,000 topics', () => {
  const topics = Array.from({ length: 1_100 }, (_, n) => `photo:${n}`);
  tab.setItem('eventbus:own', JSON.stringify({ place: '1.9', topics, principal: 'a hash' }));
  const store = new PlaceStore(claimEntry('own'));
  store.signIn('a hash');

  enterAt(store, 'photo:0', '1.9');

  expect(kept()).toEqual([...topics.slice(100), 'photo:0']);
  goAway(store);
});

test('close() while the page goes keeps what is kept, and at any other time erases it at once', () => {
  const store = new PlaceStore(claimEntry('own'));
  store.signIn('a hash');
  store.pass('1.1');
  addEventListener('pagehide', () => store.close(), { once: true });
  reload();
  expect(tab.entries.size).toBe(1);

  const next = new PlaceStore(claimEntry('own'));
  next.signIn('a hash');
  reload();
  next.pass('1.2'); // the page has come back
  next.close();
  expect(tab.entries.size).toBe(0);
  next.pass('1.3');
  reload();
  expect(tab.entries.size).toBe(0);
});

test('an entry that cannot be written is erased, since the old one would give again what came since', () => {
  const store = new PlaceStore(claimEntry('own'));
  store.signIn('a hash');
  store.pass('1.1');
  reload();
  vi.spyOn(tab, 'setItem').mockImplementation(() => {
    throw new Error('QuotaExceededError');
  });

  store.pass('1.2');
  reload();

  expect(tab.entries.size).toBe(0);
  store.close();
});

test('a storage that is full or forbidden changes nothing else', () => {
  vi.spyOn(tab, 'setItem').mockImplementation(() => {
    throw new Error('QuotaExceededError');
  });
  const store = new PlaceStore(claimEntry('tab'));
  store.pass('1.1');
  expect(reload).not.toThrow();
  expect(store.place).toBe('1.1');
  store.close();
  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, get: () => { throw new Error('SecurityError'); } });

  expect(new PlaceStore(claimEntry('tab')).place).toBeUndefined();
});
