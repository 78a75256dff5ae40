import { access, writeFile } from 'node:fs/promises';
import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { writeJson } from '../shared/files.js';
import { FILE_BYTES_MAX } from '../shared/limits.js';
import { newId } from '../shared/media.js';
import type { LibraryView } from '../shared/views.js';
import { TOKENS } from '../test/bus-server.js';
import { folder } from '../test/folder.js';
import { RecordedBus } from '../test/recorded-bus.js';
import { NO_BUS, Site } from '../test/site.js';
import { PHOTOS_PER_USER_MAX, type PendingEvent, type Photo } from './library.js';

const busToken = await TOKENS.forUser('ana', []);

async function develop({ media }: Site, id: string): Promise<void> {
  await writeFile(media.thumbnail(id, 160), 'a thumbnail');
  const thumbnails = [{ size: 160, width: 4, height: 3, url: `/api/photos/${id}/thumbnails/160` }];
  const gps = { latitude: 1, longitude: 2 };
  await writeJson(media.result(id), {
    status: 'completed',
    photoId: id,
    width: 4,
    height: 3,
    placeholder: '',
    thumbnails,
    gps,
  });
}

describe('signing in', () => {
  it('gives a user a token of the bus with their id and roles, and none of a service', async () => {
    const site = await Site.open();
    const dora = await site.as('dora');

    const { url, token } = (await dora.ask('GET', '/bus')).json<{ url: string; token: string }>();

    expect(url).toBe(NO_BUS);
    expect(decodeJwt(token)).toMatchObject({ sub: 'dora', roles: ['user', 'admin'] });
    expect(decodeJwt(token)).not.toHaveProperty('service');
  });

  it.each([
    ['no session', undefined],
    ['a wrong one', 'Bearer nonsense'],
    ['a token of the bus', `Bearer ${busToken}`],
  ])('is asked of who comes with %s', async (_, authorization) => {
    const { app } = await Site.open();

    for (const url of ['/api/library', '/api/bus', '/api/photos/0123456789abcdef01234567/thumbnails/160']) {
      const answer = await app.inject({ url, ...(authorization && { headers: { authorization } }) });
      expect(answer.statusCode).toBe(401);
      expect(answer.json()).toMatchObject({ error: { code: 'unauthorized' } });
    }
  });

  it('is refused to a name that is not known', async () => {
    const { app } = await Site.open();

    const answer = await app.inject({ method: 'POST', url: '/api/sign-in', payload: { user: '__proto__' } });

    expect(answer.statusCode).toBe(400);
  });
});

describe('an upload', () => {
  it('is told of once, by an event that names owner and file', async () => {
    const site = await Site.open();
    const ana = await site.as('ana');

    const answer = await ana.upload(['C:\\photos\\a\u0007.jpg', Buffer.from('bytes')]);

    expect(answer.statusCode).toBe(201);
    const [id] = answer.json<{ photoIds: [string] }>().photoIds;
    expect(site.bus.told).toEqual([
      {
        type: 'photo.uploaded',
        id: `uploaded-${id}`,
        data: { photoId: id, userId: 'ana', filename: 'a.jpg', bytes: 5, uploadedAt: expect.any(String) },
      },
    ]);
  });

  it('of several files makes a batch', async () => {
    const site = await Site.open();
    const ana = await site.as('ana');

    await ana.upload(['a.jpg', Buffer.from('a')], ['b.jpg', Buffer.from('b')]);

    const batches = site.bus.told.map(({ data }) => (data as { batchId: string }).batchId);
    expect(new Set(batches).size).toBe(1);
    expect(batches[0]).toMatch(/^[0-9a-f]{24}$/);
  });

  it('while the bus is away is kept, and told of after a restart of the API', async () => {
    const root = await folder();
    const away = new RecordedBus();
    away.isAway = true;
    const ana = await (await Site.open(root, away)).as('ana');

    const answer = await ana.upload(['a.jpg', Buffer.from('bytes')]);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ announced: 'later' });

    const { bus } = await Site.open(root);
    await expect.poll(() => bus.types(), { timeout: 5_000 }).toEqual(['photo.uploaded']);
  });

  it('with a file that is too large leaves nothing behind', async () => {
    const site = await Site.open();
    const ana = await site.as('ana');

    const answer = await ana.upload(['a.jpg', Buffer.from('small')], ['b.jpg', Buffer.alloc(FILE_BYTES_MAX + 1)]);

    expect(answer.statusCode).toBe(413);
    expect(await ana.photos()).toEqual([]);
    expect(site.bus.told).toEqual([]);
  });

  const untold: PendingEvent = { id: newId(), type: 'photo.deleted', data: { photoId: newId(), userId: 'ana' } };
  it.each<[string, Partial<Photo>]>([
    ['is there', {}],
    ['is deleted, and not yet told of', { isDeleted: true, pending: [untold] }],
  ])('is refused past what there is room for, of what %s', async (_, state) => {
    const site = await Site.open();
    const ana = await site.as('ana');
    site.bus.isAway = true;
    const room = { owner: 'ana', filename: 'x', bytes: 1, uploadedAt: '', watchers: [], pending: [], refused: [] };
    await Promise.all(
      Array.from({ length: PHOTOS_PER_USER_MAX }, async () =>
        site.library.add({ ...room, ...state, id: await site.library.begin() }),
      ),
    );

    const answer = await ana.upload(['a.jpg', Buffer.from('bytes')]);

    expect(answer.statusCode).toBe(429);
    expect(answer.headers['retry-after']).toBeDefined();
  });

  it.each([
    ['no file', { 'content-type': 'multipart/form-data; boundary=cut' }, '--cut--\r\n'],
    ['no form', { 'content-type': 'application/json' }, '{}'],
  ])('with %s is refused with the mend', async (_, headers, payload) => {
    const site = await Site.open();
    const ana = await site.as('ana');

    const answer = await site.app.inject({
      method: 'POST',
      url: '/api/photos',
      headers: { ...headers, authorization: `Bearer ${ana.session}` },
      payload,
    });

    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ error: { message: string } }>().error.message).toContain('multipart/form-data');
  });
});

describe('a photo', () => {
  it('is seen by its owner alone', async () => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    await develop(site, id);

    expect((await ana.photos())[0]).toMatchObject({ id, status: 'completed', gps: { latitude: 1 } });
    expect((await ana.ask('GET', `/photos/${id}/thumbnails/160`)).body).toBe('a thumbnail');
    expect(await ben.photos()).toEqual([]);
    for (const path of [`/photos/${id}`, `/photos/${id}/thumbnails/160`])
      expect((await ben.ask('GET', path)).statusCode).toBe(404);
  });

  it.each(['..%2f..%2fsession.key', '0123456789abcdef01234567', 'a b'])('with the id %s is not there', async (id) => {
    const ana = await (await Site.open()).as('ana');

    expect((await ana.ask('GET', `/photos/${id}/thumbnails/160`)).statusCode).toBe(404);
    expect((await ana.ask('POST', `/photos/${id}/watch`, { key: 'k' })).statusCode).toBe(404);
  });
});

describe('a link', () => {
  it('lets who opens it watch, without the place, once the bus knows', async () => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    await develop(site, id);
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();

    const answer = await ben.ask('POST', `/photos/${id}/watch`, { key });

    expect(answer.statusCode).toBe(200);
    expect(answer.json()).not.toHaveProperty('gps');
    expect(site.bus.told.at(-1)).toMatchObject({ type: 'photo.shared', data: { photoId: id, sharedWith: 'ben' } });
    expect((await ben.ask('GET', `/photos/${id}/thumbnails/160`)).statusCode).toBe(200);
    expect((await ana.photos())[0]!.watchers).toEqual([{ id: 'ben', name: 'Ben', admin: false }]);
  });

  const wrongKeys = ['', 'wrong', 'x'.repeat(22), 'é'.repeat(22), '\ud83d'.repeat(22), 7, undefined];
  it.each(wrongKeys)('with the key %j opens nothing', async (key) => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    await ana.ask('POST', `/photos/${id}/link`);

    const answer = await ben.ask('POST', `/photos/${id}/watch`, { key });

    expect(answer.statusCode).toBe(404);
    const ofNoPhoto = await ben.ask('POST', `/photos/${newId()}/watch`, { key });
    expect(answer.json()).toEqual(ofNoPhoto.json()); // a stranger does not learn that the photo exists
  });

  it('is made by the owner alone, not by a watcher', async () => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    await ben.ask('POST', `/photos/${id}/watch`, { key });

    expect((await ben.ask('POST', `/photos/${id}/link`)).statusCode).toBe(403);
    expect((await ben.ask('DELETE', `/photos/${id}/watchers/ben`)).statusCode).toBe(403);
  });

  it('opens nothing for who was shown out, who sees nothing more at once', async () => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    await ben.ask('POST', `/photos/${id}/watch`, { key });

    await ana.ask('DELETE', `/photos/${id}/watchers/ben`);

    expect(site.bus.told.at(-1)).toMatchObject({ type: 'photo.unshared', data: { sharedWith: 'ben' } });
    expect(await ben.photos()).toEqual([]);
    expect((await ben.ask('POST', `/photos/${id}/watch`, { key })).statusCode).toBe(404);
  });

  it('can be opened again a little later while the bus is away', async () => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    site.bus.isAway = true;
    expect((await ben.ask('POST', `/photos/${id}/watch`, { key })).statusCode).toBe(503);

    site.bus.isAway = false;

    expect((await ben.ask('POST', `/photos/${id}/watch`, { key })).statusCode).toBe(200);
    expect(site.bus.types()).toEqual(['photo.uploaded', 'photo.shared']);
  });
});

describe('deleting', () => {
  it('is for the owner, takes the photo from everyone, and leaves nothing behind', async () => {
    const site = await Site.open();
    const [ana, ben] = [await site.as('ana'), await site.as('ben')];
    const id = await ana.uploadOne();
    await develop(site, id);
    const { key } = (await ana.ask('POST', `/photos/${id}/link`)).json<{ key: string }>();
    await ben.ask('POST', `/photos/${id}/watch`, { key });
    expect((await ben.ask('DELETE', `/photos/${id}`)).statusCode).toBe(403);

    expect((await ana.ask('DELETE', `/photos/${id}`)).statusCode).toBe(204);

    expect(site.bus.types().slice(-2)).toEqual(['photo.unshared', 'photo.deleted']);
    for (const visitor of [ana, ben]) expect(await visitor.photos()).toEqual([]);
    expect((await ben.ask('POST', `/photos/${id}/watch`, { key })).statusCode).toBe(404);
    await expect(access(site.media.photo(id))).rejects.toThrow('ENOENT');
  });

  it('while the bus is away is done at once, and told of later', async () => {
    const site = await Site.open();
    const ana = await site.as('ana');
    const id = await ana.uploadOne();
    site.bus.isAway = true;

    await ana.ask('DELETE', `/photos/${id}`);
    expect(await ana.photos()).toEqual([]);

    site.bus.isAway = false;
    await expect.poll(() => site.bus.types(), { timeout: 5_000 }).toEqual(['photo.uploaded', 'photo.deleted']);
  });
});

describe('an announcement', () => {
  it('is told to everyone, and to who comes later', async () => {
    const site = await Site.open();
    const [dora, ben] = [await site.as('dora'), await site.as('ben')];

    expect((await dora.ask('POST', '/announcements', { message: ' closing ' })).statusCode).toBe(201);

    expect(site.bus.told).toMatchObject([
      { type: 'system.announcement', data: { message: 'closing', announcedBy: 'Dora' } },
    ]);
    expect((await ben.ask('GET', '/library')).json()).toMatchObject({ announcement: { message: 'closing' } });
  });

  it('is for admins, and of a bounded length', async () => {
    const site = await Site.open();
    const [dora, ben] = [await site.as('dora'), await site.as('ben')];

    expect((await ben.ask('POST', '/announcements', { message: 'hello' })).statusCode).toBe(403);
    for (const message of ['', '   ', 'x'.repeat(281), 7])
      expect((await dora.ask('POST', '/announcements', { message })).statusCode).toBe(400);
    expect(site.bus.told).toEqual([]);
  });

  it('that did not get out is shown to nobody', async () => {
    const site = await Site.open();
    const dora = await site.as('dora');
    site.bus.isAway = true;

    expect((await dora.ask('POST', '/announcements', { message: 'closing' })).statusCode).toBe(503);
    expect((await dora.ask('GET', '/library')).json()).not.toHaveProperty('announcement');
  });
});

it('every answer lets the page connect to the bus, and to nothing else', async () => {
  const { app } = await Site.open();

  const policy = (await app.inject({ url: '/api/users' })).headers['content-security-policy'];

  expect(policy).toContain(`connect-src 'self' ${NO_BUS} ws://127.0.0.1:9;`);
});
