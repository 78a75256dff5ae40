// A right to watch that ends and is given again: nobody is left to believe that nothing is missing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { away, connect, fence, sdk } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kApi = serviceToken('api');
const kBob = userToken('bob');

function writeCatalog(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'eventbus-e2e-catalog-'));
  afterwards(() => rmSync(folder, { recursive: true, force: true }));
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, text);
  return catalog;
}

async function start(): Promise<BusServer> {
  const catalog = writeCatalog(`
events:
  doc.given: { subject: "doc:{data.doc}", owner: "user:{data.to}", transfer: true, audience: [watchers] }
  doc.shared: { subject: "doc:{data.doc}", audience: [watchers], grant: { watch: "user:{data.to}" } }
  doc.unshared: { subject: "doc:{data.doc}", audience: [watchers], revoke: { watch: "user:{data.to}" } }
  doc.changed: { subject: "doc:{data.doc}", audience: [watchers] }
  system.announcement: { audience: [everyone] }
rooms: { doc: { watch: [owner] } }
`);
  return BusServer.start({ catalog, settings: { reactors: '2' } });
}

const event = (type: string, to = 'bob') => ({ type, data: { doc: '1', to } });
const kRights = [
  ['a grant', event('doc.shared'), event('doc.unshared')],
  ['ownership', event('doc.given'), event('doc.given', 'carol')],
] as const;

test.each(kRights.flatMap(([right, give, take]) => [[right, 'away', give, take] as const, [right, 'connected', give, take] as const]))(
  '%s that ended and was given again while its holder was %s ends the watch',
  async (_right, where, give, take) => {
    const server = await start();
    const publish = async (...events: unknown[]) => expect((await server.post('/v1/events', kApi, events)).status).toBe(200);
    await publish(give);
    const bob = await connect(server, kBob);
    expect(await bob.ask('subscribe', 'doc:1')).toMatchObject({ ok: true });
    await publish(event('doc.changed', 'seen'));
    await bob.events.atLeast(1);

    if (where === 'away') {
      bob.socket.io.reconnection(false);
      bob.socket.io.engine.close();
    }
    await publish(take, event('doc.changed', 'hidden'), give, event('doc.changed', 'later'));
    if (where === 'away') {
      bob.socket.io.reconnection(true);
      bob.socket.connect();
      await bob.connected();
      expect(bob.socket.recovered).toBe(true);
    }

    const isEnd = ({ name }: { name: string }) => name === 'watch.ended';
    const ended = (await bob.control.until((all) => all.some(isEnd))).filter(isEnd);
    expect(ended).toMatchObject([{ body: { topic: 'doc:1', code: 'forbidden', message: expect.stringContaining('subscribe again') } }]);
    await publish(event('doc.changed', 'not subscribed'));
    await fence(server, [bob]);
    expect(await bob.ask('subscribe', 'doc:1')).toMatchObject({ ok: true });
    await publish(event('doc.changed', 'subscribed'));
    await fence(server, [bob]);
    expect(bob.events.things.filter(({ name }) => name === 'doc.changed').map(({ data }) => data.to)).toEqual(['seen', 'subscribed']);
  },
);

test('of two rights one is enough to stay, whether it began before the watch or during it', async () => {
  const server = await start();
  const api = sdk(server, kApi);
  await api.publish('doc.shared', event('doc.shared').data);
  const bob = await connect(server, kBob);
  expect(await bob.ask('subscribe', 'doc:1')).toMatchObject({ ok: true });
  await api.publish('doc.given', event('doc.given').data);
  await api.publish('doc.unshared', event('doc.unshared').data);
  await api.publish('doc.changed', event('doc.changed', 'seen').data);
  await fence(server, [bob]);
  bob.socket.io.engine.close();
  await bob.connected();
  await api.publish('doc.changed', event('doc.changed', 'seen after a drop').data);
  await fence(server, [bob]);
  expect(bob.control.things.filter(({ name }) => name === 'watch.ended')).toEqual([]);
  expect(bob.events.things.filter(({ name }) => name === 'doc.changed').map(({ data }) => data.to)).toEqual(['seen', 'seen after a drop']);
});

test('a topic at CONNECT whose right is younger than `since` goes on from the right, and the rest is told', async () => {
  const server = await start();
  const api = sdk(server, kApi);
  const { offset } = await api.publish('doc.given', event('doc.given', 'carol').data);
  await api.publish('doc.changed', event('doc.changed', 'hidden').data);
  const granted = await api.publish('doc.shared', event('doc.shared').data);
  await api.publish('doc.changed', event('doc.changed', 'seen').data);

  const bob = await connect(server, kBob, { auth: { token: kBob, since: offset, topics: ['doc:1'] } });
  await fence(server, [bob]);

  expect(bob.events.things.filter(({ name }) => name === 'doc.changed').map(({ data }) => data.to)).toEqual(['seen']);
  expect(bob.control.things).toContainEqual({ name: 'resume.gap', body: { from: offset, to: granted.offset } });
});

// What the catalog gives it gives of the past, too, so a client that was away while another catalog held misses nothing.
const kGivenByCatalog = ['owner', 'everyone', 'role:editor', 'permission', 'consume'] as const;

test.each(kGivenByCatalog.flatMap((right) => [[right, 'reloads'] as const, [right, 'restarts'] as const]))(
  'the right by `%s` that two %s take and give back while a client is away leaves no hole',
  async (right, how) => {
    const text = (watch: string, consume: string) => `
events:
  doc.given: { subject: "doc:{data.doc}", owner: "user:{data.to}", audience: [watchers] }
  doc.changed: { subject: "doc:{data.doc}", audience: [watchers], consume: [${consume}] }
  system.announcement: { audience: [everyone] }
rooms: { doc: { watch: [${watch}] } }
`;
    const gives = right === 'consume' ? text('role:none', 'service:worker') : text(right, 'service:none');
    const catalog = writeCatalog(gives);
    const server = await BusServer.start({ catalog, settings: { reactors: '2' } });
    const publish = async (to: string, type = 'doc.changed') => expect((await server.post('/v1/events', kApi, event(type, to))).status).toBe(200);
    const use = async (rules: string) => {
      writeFileSync(catalog, rules);
      if (how === 'reloads') return server.reload(/the catalog was loaded again/);
      await server.stop();
      await server.up();
    };
    await publish('bob', 'doc.given');
    const token = right === 'consume' ? serviceToken('worker') : userToken('bob', { roles: ['editor'], permissions: ['watch:doc:*'] });
    const [topic, options] = right === 'consume' ? ['doc.changed', { group: null }] : ['doc:1', {}];
    const client = await connect(server, token);
    expect(await client.ask('subscribe', topic, options)).toMatchObject({ ok: true });
    await publish('seen');
    await client.events.atLeast(1);

    await away(client, async () => {
      client.socket.io.engine.close();
      await use(text('role:none', 'service:none'));
      const other = await connect(server, token);
      expect(await other.ask('subscribe', topic, options)).toMatchObject({ ok: false, error: { code: 'forbidden' } });
      await publish('in between');
      await use(gives);
      await publish('later');
    });
    await fence(server, [client]);

    expect(client.socket.recovered).toBe(true);
    expect(client.control.things.map(({ name }) => name)).toEqual(['resume.done']);
    expect(client.events.things.filter(({ name }) => name === 'doc.changed').map(({ data }) => data.to)).toEqual(['seen', 'in between', 'later']);
  },
);
