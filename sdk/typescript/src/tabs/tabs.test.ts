import { beforeEach, expect, test, vi } from 'vitest';

import type { ScriptedBus } from '../../test/scripted-bus.js';
import { afterwards, clientOf, rejection, Seen, startBus } from '../../test/support.js';
import type { Tab } from '../../test/tabs.js';
import { TabBrowser, tokenOf } from '../../test/tabs.js';
import type { AnyEvent, ConnectionState, EventBusOptions, UntypedEvents } from '../index.js';

type Event = AnyEvent<UntypedEvents>;

const kPhoto = 'photo:1';

let browser: TabBrowser;

beforeEach(() => {
  browser = new TabBrowser();
});

/** Tabs that watch `topic`, the first of which leads. */
async function tabsOn(bus: ScriptedBus, count: number, topic = kPhoto, options: EventBusOptions = {}): Promise<{ tabs: Tab[]; seen: Seen<Event>[] }> {
  const tabs: Tab[] = [];
  const seen: Seen<Event>[] = [];
  for (let i = 0; i < count; ++i) {
    const tab = await browser.tab(bus, options);
    const own = new Seen<Event>();
    await tab.client.subscribe(topic, own.add);
    tabs.push(tab);
    seen.push(own);
  }
  return { tabs, seen };
}

function publish(bus: ScriptedBus, subject = kPhoto): string {
  return bus.publish({ type: 'photo.changed', subject, data: {} }).meta.id;
}

const idsOf = (events: readonly Event[]): string[] => events.map(({ id }) => id);

async function live(tab: Tab): Promise<void> {
  await vi.waitFor(() => expect(tab.client.state.status).toBe('live'), { timeout: 5_000 });
}

test('thirty tabs are one connection, and each hears every event once and in order', async () => {
  const bus = await startBus();
  const { seen } = await tabsOn(bus, 30);

  const ids = [publish(bus), publish(bus), publish(bus)];

  for (const own of seen) expect(idsOf(await own.atLeast(3))).toEqual(ids);
  expect(bus.sockets).toHaveLength(1);
  expect(bus.connects).toHaveLength(1);
});

test('what arrives without being asked for is heard by every tab', async () => {
  const bus = await startBus();
  bus.forAll = ['user.*'];
  const { tabs } = await tabsOn(bus, 3);
  const heard = tabs.map(({ client }) => {
    const own = new Seen<Event>();
    client.on('user.*', own.add);
    return own;
  });

  bus.publish({ type: 'user.told', data: {} });

  for (const own of heard) expect(idsOf(await own.atLeast(1))).toEqual(['e1']);
});

test.each([
  ['is closed', (tab: Tab) => tab.client.close()],
  ['dies without a word', (tab: Tab) => tab.die()],
])('the others go on when the leader %s, with what was published meanwhile', async (_how, end) => {
  const bus = await startBus();
  bus.forAll = ['user.*'];
  const { tabs, seen } = await tabsOn(bus, 4);
  const heard = new Seen<Event>();
  tabs[2]!.client.on('user.*', heard.add);
  const ids = [publish(bus)];
  for (const own of seen) await own.atLeast(1);

  await end(tabs[0]!);
  ids.push(publish(bus));
  bus.publish({ type: 'user.told', data: {}, id: 'told' });
  await end(tabs[1]!);
  ids.push(publish(bus));
  await live(tabs[2]!);
  await live(tabs[3]!);
  ids.push(publish(bus));

  for (const own of seen.slice(2)) expect(idsOf(await own.atLeast(4))).toEqual(ids);
  expect(idsOf(await heard.atLeast(1))).toEqual(['told']);
  expect(seen.slice(2).map(({ things }) => things.length)).toEqual([4, 4]);
  expect(bus.sockets).toHaveLength(1);
});

test('two tabs that die at once, one of which leads, are no loss to the third', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 3);

  await Promise.all([tabs[0]!.die(), tabs[1]!.die()]);
  const id = publish(bus);

  expect(idsOf(await seen[2]!.atLeast(1))).toEqual([id]);
});

test('a publish whose leader dies before the answer is sent again, and stored once', async () => {
  const bus = await startBus();
  const { tabs } = await tabsOn(bus, 2);
  bus.script('publish', 'silence', 'obey, then break');

  const published = tabs[1]!.client.publish('photo.sent', {}, { id: 'mine' });
  await bus.until(() => bus.sent('publish').length === 1);
  await tabs[0]!.die();

  expect(await published).toMatchObject({ id: 'mine', duplicate: true });
  expect(bus.log.filter(({ meta }) => meta.id === 'mine')).toHaveLength(1);
});

test('a subscription that is asked for while the leader dies is confirmed by the next', async () => {
  const bus = await startBus();
  const { tabs } = await tabsOn(bus, 3);
  bus.script('subscribe', 'silence');
  const seen = new Seen<Event>();

  const subscribed = tabs[2]!.client.subscribe('photo:2', seen.add);
  await bus.until(() => bus.sent('subscribe').some(([topic]) => topic === 'photo:2'));
  await tabs[0]!.die();
  await subscribed;
  const id = publish(bus, 'photo:2');

  expect(idsOf(await seen.atLeast(1))).toEqual([id]);
});

test('what a tab has seen and a new leader has not is not shown again', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 3);
  const before = publish(bus);
  for (const own of seen) await own.atLeast(1);

  const goOn = tabs[1]!.busy();
  const missed = publish(bus);
  await seen[2]!.atLeast(2);
  await tabs[0]!.die();
  await vi.waitFor(() => expect(tabs[1]!.leads).toBe(true));
  goOn();
  await live(tabs[1]!);
  await live(tabs[2]!);
  const after = publish(bus);

  for (const own of seen.slice(1)) expect(idsOf(await own.atLeast(3))).toEqual([before, missed, after]);
});

test('a leader that is busy keeps the others waiting, and they lose nothing', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 2);
  const goOn = tabs[0]!.busy();

  const late = await rejection(tabs[1]!.client.publish('photo.sent', {}, { id: 'late', timeoutMs: 50 }));
  const published = tabs[1]!.client.publish('photo.sent', {}, { id: 'in time' });
  goOn();

  expect(late).toMatchObject({ code: 'timeout', ids: ['late'] });
  expect(await published).toMatchObject({ id: 'in time', duplicate: false });
  const id = publish(bus);
  expect(idsOf(await seen[1]!.atLeast(1))).toEqual([id]);
});

test('a leader that hangs loses the lead, and is a tab as the others when it goes on', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 3);
  const goOn = tabs[0]!.busy();

  const newcomer = await browser.tab(bus);
  const published = tabs[1]!.client.publish('photo.sent', {}, { id: 'mine' });
  expect(await published).toMatchObject({ id: 'mine', duplicate: false });
  const id = publish(bus);
  await newcomer.client.publish('photo.sent', {});
  for (const own of seen.slice(1)) expect(idsOf(await own.atLeast(1))).toEqual([id]);
  goOn();
  await vi.waitFor(() => expect(bus.sockets).toHaveLength(1));
  await live(tabs[0]!);
  const after = publish(bus);

  for (const own of seen) expect(idsOf(await own.atLeast(2))).toEqual([id, after]);
  expect([...tabs, newcomer].filter(({ leads }) => leads)).toHaveLength(1);
}, 20_000);

test('a topic is ended at the server by the last tab that holds it', async () => {
  const bus = await startBus();
  const { tabs } = await tabsOn(bus, 1);
  const second = await browser.tab(bus);
  const seen = new Seen<Event>();
  const watch = await second.client.subscribe(kPhoto, seen.add);
  await second.client.subscribe('photo:2', () => {});

  await tabs[0]!.client.close();
  await live(second);
  const third = await browser.tab(bus);
  const other = await third.client.subscribe(kPhoto, () => {});
  await other.unsubscribe();
  expect(bus.sent('unsubscribe')).toEqual([]);
  publish(bus);
  await seen.atLeast(1);
  await watch.unsubscribe();

  expect(bus.sent('unsubscribe')).toEqual([[kPhoto]]);
});

test('the topics of a tab that dies are ended at the server', async () => {
  const bus = await startBus();
  const { tabs } = await tabsOn(bus, 2);
  await tabs[1]!.client.subscribe('photo:2', () => {});

  await tabs[1]!.die();
  await bus.until(() => bus.sent('unsubscribe').length === 1);

  expect(bus.sent('unsubscribe')).toEqual([['photo:2']]);
  expect(bus.sockets).toHaveLength(1);
});

test('the last tab that is closed ends the connection, and leaves no lock', async () => {
  const bus = await startBus();
  const { tabs } = await tabsOn(bus, 3);

  for (const { client } of tabs) await client.close();
  await bus.until(() => bus.sockets.length === 0);

  await vi.waitFor(() => expect(browser.held).toEqual([]));
});

test('a refusal reaches the tab that asked, as it is, and nobody else', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 2);
  bus.script('subscribe', { ok: false, error: { code: 'forbidden', message: 'Not yours.' } });
  bus.script('publish', { ok: false, error: { code: 'read_only', message: 'The disk is full.', retryAfterMs: 60_000 } });

  const refused = await rejection(tabs[1]!.client.subscribe(kPhoto, () => {}, { since: '1.0' }));
  const late = await rejection(tabs[1]!.client.publish('photo.sent', {}, { id: 'x', timeoutMs: 100 }));
  const id = publish(bus);

  expect(refused).toMatchObject({ code: 'forbidden', message: 'Not yours.', retry: 'never' });
  expect(late).toMatchObject({ code: 'timeout', ids: ['x'] });
  expect(late.cause).toMatchObject({ code: 'read_only', retry: 'later', retryAfterMs: 60_000 });
  for (const own of seen) expect(idsOf(await own.atLeast(1))).toEqual([id]);
});

test('a history goes to the tab that asked for it', async () => {
  const bus = await startBus();
  const old = [publish(bus), publish(bus)];
  const { tabs, seen } = await tabsOn(bus, 1);
  const second = await browser.tab(bus);
  const later = new Seen<Event>();
  const local = new Seen<Event>();
  tabs[0]!.client.on('**', local.add);
  await second.client.subscribe(kPhoto, later.add, { since: '1.0' });

  const id = publish(bus);

  expect(idsOf(await later.atLeast(3))).toEqual([...old, id]);
  expect(idsOf(await seen[0]!.atLeast(1))).toEqual([id]);
  expect(idsOf(local.things)).toEqual([id]);
});

test('a watch that the server ends is ended in each tab', async () => {
  const bus = await startBus();
  const { tabs } = await tabsOn(bus, 2);
  const ended = tabs.map(({ client }) => {
    const own = new Seen<unknown>();
    client.onError((error) => own.add(error.code));
    return own;
  });

  bus.sockets[0]!.emit('watch.ended', { topic: kPhoto, code: 'forbidden', message: 'No more.' });

  for (const own of ended) expect(await own.atLeast(1)).toEqual(['forbidden']);
});

test('drops and gaps are told in each tab', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 2);
  publish(bus);
  for (const own of seen) await own.atLeast(1);
  const states = new Seen<string>();
  tabs[1]!.client.onState(({ status }) => states.add(status));
  const gaps = tabs.map(({ client }) => {
    const own = new Seen<unknown>();
    client.onGap(own.add);
    return own;
  });

  await bus.stop();
  await states.until((all) => all.includes('reconnecting'));
  bus.replaceLog();
  await bus.listen();

  for (const own of gaps) expect(await own.atLeast(1)).toContainEqual({ from: '1.1', to: '2.0' });
  await live(tabs[1]!);
  await bus.until(() => bus.sent('subscribe').length === 6); // once, from a place that is lost, and from now
  bus.publish({ type: 'photo.changed', subject: kPhoto, data: {}, id: 'new' });
  for (const own of seen) expect(idsOf(await own.atLeast(2))).toEqual(['e1', 'new']);
});

test('a session that goes on does so for all tabs, without asking again', async () => {
  const bus = await startBus({ recovery: true });
  const { tabs, seen } = await tabsOn(bus, 2);
  publish(bus);
  for (const own of seen) await own.atLeast(1);
  const asked = bus.sent('subscribe').length;

  bus.breakAll();
  await bus.until(() => bus.sockets.length === 0);
  const id = publish(bus);
  for (const own of seen) expect(idsOf(await own.atLeast(2))).toEqual(['e1', id]);
  expect(bus.sent('subscribe')).toHaveLength(asked);
  await live(tabs[1]!);
  expect(tabs[1]!.client.state).toEqual({ status: 'live', missed: 1, transport: { name: 'websocket' } });
});

test('a tab that joins begins now', async () => {
  const bus = await startBus();
  bus.forAll = ['user.*'];
  await tabsOn(bus, 1);
  bus.publish({ type: 'user.told', data: {} });

  const second = await browser.tab(bus);
  const heard = new Seen<Event>();
  second.client.on('user.*', heard.add);
  await live(second);
  const { meta } = bus.publish({ type: 'user.told', data: {} });

  expect(idsOf(await heard.atLeast(1))).toEqual([meta.id]);
});

test('a tab that is opened while the others are cut off hears nothing of what they missed', async () => {
  const bus = await startBus();
  bus.forAll = ['user.*'];
  const { tabs } = await tabsOn(bus, 1);
  const told = new Seen<Event>();
  tabs[0]!.client.on('user.*', told.add);
  await bus.stop();
  const missed = bus.publish({ type: 'user.told', data: {} });
  const fresh = await browser.tab(bus);
  const heard = new Seen<Event>();
  fresh.client.on('user.*', heard.add);

  await bus.listen();
  await live(fresh);
  const later = bus.publish({ type: 'user.told', data: {} });

  expect(idsOf(await told.atLeast(2))).toEqual([missed.meta.id, later.meta.id]);
  expect(idsOf(await heard.atLeast(1))).toEqual([later.meta.id]);
});

class TabStorage {
  readonly entries = new Map<string, string>();
  readonly getItem = (key: string) => this.entries.get(key) ?? null;
  readonly setItem = (key: string, value: string) => void this.entries.set(key, value);
  readonly removeItem = (key: string) => void this.entries.delete(key);
}

test.each([
  ['the leader remembers it', '1.2', 1],
  ['nobody remembers it, so the connection begins anew', '1.0', 2],
])('a page that is loaded again gets what it missed: %s', async (_how, place, connects) => {
  const bus = await startBus();
  bus.forAll = ['user.*'];
  bus.publish({ type: 'user.told', data: {} });
  const { tabs } = await tabsOn(bus, 1);
  const told = new Seen<Event>();
  tabs[0]!.client.on('user.*', told.add);
  for (let i = 0; i < 2; ++i) bus.publish({ type: 'user.told', data: {} }); // e2 and e3, after which the leader began
  await told.atLeast(2);

  const storage = new TabStorage();
  storage.setItem('eventbus:page', JSON.stringify({ place, topics: [], principal: 'a hash' }));
  vi.stubGlobal('sessionStorage', storage);
  const page = await browser.tab(bus, { resumeKey: 'page' });
  const heard = new Seen<Event>();
  page.client.on('user.*', heard.add);
  await live(page);
  await live(tabs[0]!);
  const { meta } = bus.publish({ type: 'user.told', data: {} });

  const missed = place === '1.2' ? ['e3'] : ['e1', 'e2', 'e3'];
  expect(idsOf(await heard.atLeast(missed.length + 1))).toEqual([...missed, meta.id]);
  expect(idsOf(await told.atLeast(3))).toEqual(['e2', 'e3', meta.id]);
  expect(bus.connects).toHaveLength(connects);
  expect(bus.sockets).toHaveLength(1);
});

test.each(['7.0', '7.900'])('a place of another log in one tab costs the others nothing: %s', async (place) => {
  const bus = await startBus();
  bus.forAll = ['user.*'];
  const { tabs } = await tabsOn(bus, 1);
  const told = new Seen<Event>();
  const gaps = new Seen<unknown>();
  tabs[0]!.client.on('user.*', told.add);
  tabs[0]!.client.onGap(gaps.add);
  bus.publish({ type: 'user.told', data: {} });
  await told.atLeast(1);

  const storage = new TabStorage();
  storage.setItem('eventbus:page', JSON.stringify({ place, topics: [], principal: 'a hash' }));
  vi.stubGlobal('sessionStorage', storage);
  const page = await browser.tab(bus, { resumeKey: 'page' });
  const lost = new Seen<unknown>();
  const heard = new Seen<Event>();
  page.client.onGap(lost.add);
  page.client.on('user.*', heard.add);
  expect(await lost.atLeast(1)).toEqual([{ from: place, to: '1.1' }]);
  await live(page);
  await live(tabs[0]!);
  const { meta } = bus.publish({ type: 'user.told', data: {} });

  expect(idsOf(await told.atLeast(2))).toEqual(['e1', meta.id]);
  expect(idsOf(await heard.atLeast(1))).toEqual([meta.id]);
  expect(gaps.things).toEqual([]);
});

test('another user is another group, and so is another bus', async () => {
  const bus = await startBus();
  const other = await startBus();
  await browser.tab(bus, { token: tokenOf('alice') });
  await browser.tab(bus, { token: async () => tokenOf('alice') });
  await browser.tab(bus, { token: tokenOf('bob') });
  await browser.tab(other, { token: tokenOf('alice') });
  await browser.tab(bus, { token: tokenOf('bob', { iss: 'elsewhere' }) });

  await vi.waitFor(() => expect([bus.sockets.length, other.sockets.length]).toEqual([3, 1]));

  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(bus.connects).toHaveLength(3);
});

test.each([
  ['a token that cannot be read', { token: 'opaque' }, 2],
  ["a service's token", { token: tokenOf('s', { service: 's' }) }, 2],
  ['a cookie', { token: undefined }, 2],
  ['a token that cannot be read, and a name', { token: 'opaque', shareTabs: { name: 'alice' } }, 1],
  ['a cookie, and a name', { token: undefined, shareTabs: { name: 'alice' } }, 1],
] as [string, EventBusOptions, number][])('two tabs with %s', async (_what, options, sockets) => {
  const bus = await startBus();
  const clients = [];
  for (let i = 0; i < 2; ++i) {
    if (sockets === 1) clients.push((await browser.tab(bus, options)).client);
    else {
      vi.stubGlobal('navigator', { locks: { request: () => expect.unreachable() } });
      clients.push(clientOf(bus, { shareTabs: true, ...options }));
    }
  }
  for (const client of clients) await client.publish('photo.sent', {});

  expect(bus.sockets).toHaveLength(sockets);
});

test.each([
  ['has no locks', () => vi.stubGlobal('navigator', {})],
  ['has no broadcast channels', () => vi.stubGlobal('BroadcastChannel', undefined)],
  ['gives this page no locks', () => vi.stubGlobal('navigator', { locks: { request: () => Promise.reject(new DOMException('no', 'SecurityError')) } })],
])('a browser that %s gives each tab a connection of its own', async (_what, stub) => {
  vi.stubGlobal('navigator', { locks: { request: () => expect.unreachable() } });
  stub();
  const bus = await startBus();
  const clients = [0, 1].map(() => clientOf(bus, { shareTabs: true, token: async () => tokenOf('alice') }));
  for (const client of clients) await client.publish('photo.sent', {});

  expect(bus.sockets).toHaveLength(2);
  expect(clients[0]!.state.status).toBe('live');
  vi.unstubAllGlobals();
});

test('a tab whose token is of another user by now leaves the group for that of the other', async () => {
  const bus = await startBus();
  let user = 'alice';
  const tokens: string[] = [];
  const token = async () => {
    tokens.push(user);
    return tokenOf(user);
  };
  const tabs = [await browser.tab(bus, { token }), await browser.tab(bus, { token: tokenOf('alice') })];
  for (const { client } of tabs) await client.publish('photo.sent', {});
  expect(bus.sockets).toHaveLength(1);
  expect(tokens).toEqual(['alice']);

  user = 'bob';
  bus.breakAll();
  await vi.waitFor(() => expect(bus.sockets).toHaveLength(2));

  expect(bus.sockets.map(({ handshake }) => handshake.auth.token as string).sort()).toEqual([tokenOf('alice'), tokenOf('bob')].sort());
  await tabs[0]!.client.publish('photo.sent', {});
  await tabs[1]!.client.publish('photo.sent', {});
});

test('a leader that is refused for good is closed, and the next tab tries itself', async () => {
  const bus = await startBus();
  const tabs = [await browser.tab(bus), await browser.tab(bus)];
  for (const { client } of tabs) await client.publish('photo.sent', {});
  const told = new Seen<unknown>();
  tabs[0]!.client.onError((error) => told.add(error.code));
  await tabs[0]!.client.subscribe(kPhoto, () => {});

  bus.refusals = [{ code: 'unauthorized', message: 'The signature does not fit.' }];
  bus.breakAll();

  expect(await told.atLeast(1)).toEqual(['unauthorized']);
  expect(tabs[0]!.client.state).toMatchObject({ status: 'closed', error: { code: 'unauthorized' } });
  await tabs[1]!.client.publish('photo.sent', {});
  expect(bus.sockets).toHaveLength(1);
  await tabs[0]!.client.publish('photo.sent', {}); // it tries again, and joins
  expect(bus.sockets).toHaveLength(1);
});

test('reconnect() of any tab begins a new session with a new token, for all', async () => {
  const bus = await startBus();
  let asked = 0;
  const token = async () => tokenOf('alice', { jti: ++asked });
  const tabs = [await browser.tab(bus, { token }), await browser.tab(bus, { token })];
  for (const { client } of tabs) await client.publish('photo.sent', {});

  tabs[1]!.client.reconnect();
  await bus.until(() => bus.connects.length === 2);
  for (const { client } of tabs) await client.publish('photo.sent', {});

  expect(bus.connects.map((auth) => auth.token)).toEqual([tokenOf('alice', { jti: 1 }), tokenOf('alice', { jti: 4 })]);
  expect(bus.sockets).toHaveLength(1);
});

test('reconnect() as another user leaves the group', async () => {
  const bus = await startBus();
  let user = 'alice';
  const tabs = [await browser.tab(bus), await browser.tab(bus, { token: async () => tokenOf(user) })];
  for (const { client } of tabs) await client.publish('photo.sent', {});

  user = 'bob';
  tabs[1]!.client.reconnect();
  await vi.waitFor(() => expect(bus.sockets).toHaveLength(2));

  for (const { client } of tabs) await client.publish('photo.sent', {});
  expect(tabs.map(({ leads }) => leads)).toEqual([true, true]);
});

test('disconnect() takes one tab off, and connect() takes it in again', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 2);

  tabs[0]!.client.disconnect();
  await vi.waitFor(() => expect(tabs[1]!.leads).toBe(true));
  await live(tabs[1]!);
  const missed = publish(bus);
  await seen[1]!.atLeast(1);
  expect(tabs[0]!.client.state.status).toBe('closed');
  expect(seen[0]!.things).toEqual([]);
  tabs[0]!.client.connect();

  expect(idsOf(await seen[0]!.atLeast(1))).toEqual([missed]);
  expect(bus.sockets).toHaveLength(1);
});

test('a cookie that changes hands ends what the tabs had, and begins anew for the other', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 2, kPhoto, { token: undefined, shareTabs: { name: 'alice' } });
  publish(bus);
  for (const own of seen) await own.atLeast(1);
  const told = tabs.map(({ client }) => {
    const own = new Seen<string>();
    client.onError((error) => own.add(error.code));
    return own;
  });

  bus.principal = "bob's hash";
  bus.refusals = [{ code: 'principal_changed', message: 'Somebody else is signed in.' }];
  bus.breakAll();

  for (const own of told) expect(await own.atLeast(1)).toContain('principal_changed');
  await vi.waitFor(() => expect(bus.sockets).toHaveLength(1));
  expect(bus.connects.at(-1)).toEqual({ place: true });
});

test('signed out is closed, with no loop', async () => {
  const bus = await startBus();
  vi.stubGlobal('navigator', { locks: { request: () => expect.unreachable() } });
  const client = clientOf(bus, { shareTabs: true, token: () => null });

  expect((await rejection(client.publish('photo.sent', {}))).code).toBe('signed_out');
  expect(client.state.status).toBe('closed');
});

test('a token function that fails is asked again', async () => {
  const bus = await startBus();
  let tries = 0;
  const token = async () => {
    if (++tries === 1) throw new Error('no network');
    return tokenOf('alice');
  };
  const tab = await browser.tab(bus, { token });

  await tab.client.publish('photo.sent', {});

  expect(tries).toBe(2);
});

test('a consumer group is refused, and its membership ended', async () => {
  const bus = await startBus();
  bus.group = 'worker';
  const tab = await browser.tab(bus);

  const refused = await rejection(tab.client.subscribe('photo.changed', () => {}));

  expect(refused).toMatchObject({ code: 'bad_request' });
  expect(refused.message).toContain('leave out shareTabs');
  await bus.until(() => bus.sent('unsubscribe').length > 0);
  expect(bus.sent('unsubscribe')[0]).toEqual(['photo.changed', { group: 'worker' }]);
});

test('a page that goes into the back/forward cache leads no longer, and is back when it is shown', async () => {
  const bus = await startBus();
  const { tabs, seen } = await tabsOn(bus, 2);
  const [cached, other] = tabs as [Tab, Tab];

  cached.page.dispatchEvent(new Event('pagehide'));
  await vi.waitFor(() => expect(other.leads).toBe(true));
  const id = publish(bus);
  await seen[1]!.atLeast(1);
  cached.page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));

  expect(idsOf(await seen[0]!.atLeast(1))).toEqual([id]);
  expect(bus.sockets).toHaveLength(1);
});

test.each([
  ['throws', () => { throw new Error('no network'); }],
  ['gives one that is refused', () => 'a bad token'],
])('a leader whose token function %s leaves the lead to a tab whose function is good', async (_how, fail: () => string) => {
  const bus = await startBus();
  bus.isGood = (token) => token !== 'a bad token';
  let isGood = true;
  const leader = await browser.tab(bus, { shareTabs: { name: 'ann' }, token: () => (isGood ? 'a token' : fail()) });
  await leader.client.subscribe(kPhoto, () => {});
  const other = await browser.tab(bus, { shareTabs: { name: 'ann' }, token: () => 'a token' });
  const seen = new Seen<Event>();
  await other.client.subscribe(kPhoto, seen.add);

  isGood = false;
  bus.breakAll();
  await vi.waitFor(() => expect(other.leads).toBe(true), { timeout: 15_000 });
  await live(other);
  const id = publish(bus);

  expect(idsOf(await seen.atLeast(1))).toEqual([id]);
}, 30_000);

test('a leader whose token function never settles gives up the lead', async () => {
  const bus = await startBus();
  let isGood = true;
  const token = () => (isGood ? 'a token' : new Promise<string>(() => {}));
  const leader = await browser.tab(bus, { shareTabs: { name: 'ann' }, token });
  await leader.client.publish('photo.sent', {});
  const other = await browser.tab(bus, { shareTabs: { name: 'ann' }, token: () => 'a token' });
  await other.client.publish('photo.sent', {});
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  afterwards(() => vi.useRealTimers());

  isGood = false;
  bus.breakAll();
  for (let step = 0; step < 300 && !(other.leads && other.client.state.status === 'live'); ++step) {
    await vi.advanceTimersByTimeAsync(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  vi.useRealTimers();

  expect(other.leads).toBe(true);
  await other.client.publish('photo.sent', {});
});

test('onState of a tab hears changes only', async () => {
  const bus = await startBus();
  const tabs = [await browser.tab(bus), await browser.tab(bus), await browser.tab(bus)];
  const told = tabs.map(({ client }) => {
    const states = new Seen<ConnectionState>();
    client.onState(states.add);
    return states;
  });
  for (const { client } of tabs) await client.publish('photo.sent', {});

  bus.breakAll();
  await bus.until(() => bus.connects.length === 2);
  for (const { client } of tabs) await client.publish('photo.sent', {});
  tabs[1]!.client.reconnect();
  await bus.until(() => bus.connects.length === 3);
  for (const { client } of tabs) await client.publish('photo.sent', {});
  await bus.stop();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await bus.listen();
  for (const { client } of tabs) await client.publish('photo.sent', {});
  await tabs[0]!.die();
  await live(tabs[1]!);

  for (const { things } of told) {
    const said = things.map((state) => JSON.stringify({ ...state, error: state.error?.message }));
    expect(said.filter((state, at) => state === said[at - 1])).toEqual([]);
  }
});
