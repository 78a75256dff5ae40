import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { connectService, type PlatformBus } from '../shared/bus.js';
import type { RefusedView } from '../shared/views.js';
import { BusServer, TOKENS } from '../test/bus-server.js';
import { folder } from '../test/folder.js';
import { Site } from '../test/site.js';

const CATALOG = new URL('../catalog.yaml', import.meta.url);

const logged = vi.spyOn(console, 'error');
beforeEach(() => void logged.mockReset());

// The catalog as it was before the API was allowed to publish these types.
async function catalogWithout(...types: string[]): Promise<string> {
  const catalog = (await readFile(CATALOG, 'utf8')).split('\n\n').map((part) => {
    const isOne = types.some((type) => part.includes(`  ${type}:`));
    return isOne ? part.replace('publish: [service:api]', 'publish: [service:nobody]') : part;
  });
  const file = join(await folder(), 'catalog.yaml');
  await writeFile(file, catalog.join('\n\n'));
  return file;
}

async function openSite(server: BusServer): Promise<Site<PlatformBus>> {
  const bus = connectService('api', server.url, TOKENS);
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return Site.on(bus, server.url);
}

it('a file name is cut between characters, so that the bus takes the event', async () => {
  const site = await openSite(await BusServer.start());
  const ana = await site.as('ana');

  const answer = await ana.upload([`😀${'x'.repeat(115)}.jpg`, Buffer.from('bytes')]);

  expect(answer.json()).toMatchObject({ announced: 'now' });
  expect((await ana.photos())[0]!.filename).toBe(`😀${'x'.repeat(115)}.jpg`);
});

describe('an event that the bus refuses for good', () => {
  it('is logged and set aside, is shown to admins alone, and goes out when it is sent again', async () => {
    const server = await BusServer.start(await catalogWithout('photo.uploaded'));
    const site = await openSite(server);
    const [ana, dora] = [await site.as('ana'), await site.as('dora')];

    const answer = await ana.upload(['a.jpg', Buffer.from('bytes')]);

    expect(answer.json()).toMatchObject({ announced: 'refused' });
    const [photoId] = answer.json<{ photoIds: [string] }>().photoIds;
    const id = `uploaded-${photoId}`;
    expect((await dora.ask('GET', '/refused')).json()).toEqual([
      { id, type: 'photo.uploaded', photoId, code: 'forbidden', message: expect.any(String), at: expect.any(String) },
    ]);
    expect(logged.mock.calls.map(String)).toEqual([expect.stringMatching(/photo\.uploaded .* refused .*forbidden/)]);
    for (const method of ['GET', 'POST', 'DELETE'] as const)
      expect((await ana.ask(method, method === 'GET' ? '/refused' : `/refused/${id}`)).statusCode).toBe(403);

    expect((await dora.ask('POST', `/refused/${id}`)).json()).toEqual({ announced: 'refused' });
    await server.kill();
    await server.up();
    expect((await dora.ask('POST', `/refused/${id}`)).json()).toEqual({ announced: 'now' });
    expect((await dora.ask('GET', '/refused')).json()).toEqual([]);
    expect((await dora.ask('POST', `/refused/${id}`)).statusCode).toBe(404);
  });

  it('does not keep the next events of its photo back', async () => {
    const site = await openSite(await BusServer.start(await catalogWithout('photo.uploaded')));
    const [ana, ben, dora] = [await site.as('ana'), await site.as('ben'), await site.as('dora')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();

    await ben.ask('POST', `/photos/${id}/watch`, { key });

    expect(site.library.find(id)).toMatchObject({ pending: [], watchers: ['ben'] });
    expect((await dora.ask('GET', '/refused')).json<RefusedView[]>().map(({ type }) => type)).toEqual(['photo.uploaded']);
  });

  it('is no break of the bus to who opens a link', async () => {
    const server = await BusServer.start(await catalogWithout('photo.shared'));
    const site = await openSite(server);
    const [ana, ben, dora] = [await site.as('ana'), await site.as('ben'), await site.as('dora')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    const open = () => ben.ask('POST', `/photos/${id}/watch`, { key });

    for (const answer of [await open(), await open()]) {
      expect(answer.statusCode).toBe(500);
      expect(answer.json<{ error: { message: string } }>().error.message).not.toMatch(/away/);
    }
    expect((await dora.ask('GET', '/refused')).json()).toHaveLength(1);

    await server.kill();
    await server.up();
    expect((await open()).statusCode).toBe(200);
    expect((await dora.ask('GET', '/refused')).json()).toEqual([]);
  });

  it('is told to who ends a sharing, which the bus does not', async () => {
    const site = await openSite(await BusServer.start(await catalogWithout('photo.uploaded', 'photo.unshared')));
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    expect((await ben.ask('POST', `/photos/${id}/watch`, { key })).statusCode).toBe(200); // other events matter not

    expect((await ana.ask('DELETE', `/photos/${id}/watchers/ben`)).statusCode).toBe(500);
    expect(await ben.photos()).toEqual([]);
  });

  it('cannot give access again to a user whose access has ended since', async () => {
    const site = await openSite(await BusServer.start(await catalogWithout('photo.shared')));
    const [ana, ben, dora] = [await site.as('ana'), await site.as('ben'), await site.as('dora')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    await ben.ask('POST', `/photos/${id}/watch`, { key });
    expect((await dora.ask('GET', '/refused')).json()).toHaveLength(1);

    await ana.ask('DELETE', `/photos/${id}/watchers/ben`);

    expect((await dora.ask('GET', '/refused')).json()).toEqual([]);
  });

  it('leaves no bytes of a photo that is deleted, and no record once it is dismissed', async () => {
    const site = await openSite(await BusServer.start(await catalogWithout('photo.uploaded', 'photo.deleted')));
    const [ana, dora] = [await site.as('ana'), await site.as('dora')];
    const id = await ana.uploadOne();

    expect((await ana.ask('DELETE', `/photos/${id}`)).statusCode).toBe(204);

    await expect(access(site.media.original(id))).rejects.toThrow('ENOENT');
    const [refused, ...others] = (await dora.ask('GET', '/refused')).json<RefusedView[]>();
    expect({ type: refused!.type, others }).toEqual({ type: 'photo.deleted', others: [] });
    expect((await dora.ask('DELETE', `/refused/${refused!.id}`)).statusCode).toBe(204);
    await expect(access(site.media.photo(id))).rejects.toThrow('ENOENT');
  });

  it('is no announcement: who makes it is not told that the bus is away', async () => {
    const site = await openSite(await BusServer.start(await catalogWithout('system.announcement')));
    const dora = await site.as('dora');

    expect((await dora.ask('POST', '/announcements', { message: 'closing' })).statusCode).toBe(500);
    expect(String(logged.mock.calls)).toMatch(/system\.announcement/);
  });
});

it('an event that waits when the API ends is not refused, and goes out later', async () => {
  const server = await BusServer.start();
  const site = await openSite(server);
  const ana = await site.as('ana');
  await ana.uploadOne();
  await server.kill();
  const upload = ana.upload(['b.jpg', Buffer.from('bytes')]);
  await expect.poll(() => site.library.all().length).toBe(2);

  await site.bus.close({ drainMs: 0 });

  expect((await upload).json()).toMatchObject({ announced: 'later' });
  expect(site.library.all()[1]).toMatchObject({ pending: [{ type: 'photo.uploaded' }], refused: [] });
});

it('half a character in a text is refused to who sends it', async () => {
  const site = await Site.open();
  const dora = await site.as('dora');

  expect((await dora.ask('POST', '/announcements', { message: 'closing \ud83d' })).statusCode).toBe(400);
  expect((await dora.ask('POST', '/announcements', { message: '😀'.repeat(280) })).statusCode).toBe(201);
});
