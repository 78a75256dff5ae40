import { createReadStream } from 'node:fs';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { PlatformBus } from '../shared/bus.js';
import { isId, THUMBNAIL_SIZES } from '../shared/media.js';
import type { BusTokens } from '../shared/tokens.js';
import type { Announced, BusView, LibraryView, PhotoView, RefusedView, SessionView, UploadView } from '../shared/views.js';
import type { Announcements } from './announcements.js';
import { maySee, type Library, type Photo } from './library.js';
import type { Outbox } from './outbox.js';
import { badRequest, forbidden, noSuchPhoto, Problem } from './problem.js';
import type { Sessions } from './sessions.js';
import type { Sharing } from './sharing.js';
import type { Uploads } from './uploads.js';
import { findUser, isAdmin, USERS, type User } from './users.js';
import { viewOfPhoto, viewOfUser } from './views.js';

const MESSAGE_MAX = 280;

// All that the routes work with.
export interface Platform {
  bus: Pick<PlatformBus, 'publish'>;
  busPublicUrl: string;
  frontier: () => Promise<string | undefined>;
  tokens: BusTokens;
  sessions: Sessions;
  library: Library;
  outbox: Outbox;
  uploads: Uploads;
  sharing: Sharing;
  announcements: Announcements;
}

interface PhotoRoute {
  Params: { id: string };
}

interface EventRoute {
  Params: { eventId: string };
}

export async function routes(app: FastifyInstance, { platform }: { platform: Platform }): Promise<void> {
  await app.register(openRoutes, { platform });
  await app.register(async (signedIn) => {
    const users = new WeakMap<FastifyRequest, User>();
    signedIn.addHook('onRequest', async (request) => {
      const user = await platform.sessions.find(request.headers.authorization);
      if (!user) throw new Problem(401, 'unauthorized', 'You are not signed in, or not any more');
      users.set(request, user);
    });
    userRoutes(signedIn, platform, (request) => users.get(request)!);
  });
}

async function openRoutes(app: FastifyInstance, { platform }: { platform: Platform }): Promise<void> {
  app.get('/healthz', async () => ({ status: 'ok' }));

  app.get('/users', async () => USERS.map(viewOfUser));

  app.post<{ Body: unknown }>('/sign-in', async ({ body }): Promise<SessionView> => {
    const user = findUser(field(body, 'user'));
    if (!user) throw badRequest(`user is one of ${USERS.map(({ id }) => id).join(', ')}`);
    return { user: viewOfUser(user), session: await platform.sessions.begin(user) };
  });
}

function userRoutes(app: FastifyInstance, platform: Platform, userOf: (request: FastifyRequest) => User): void {
  const { library, outbox, sharing } = platform;
  const view = (photo: Photo, viewer: User): Promise<PhotoView> => viewOfPhoto(library, photo, viewer);

  const seen = (request: FastifyRequest<PhotoRoute>): Photo => {
    const photo = library.find(request.params.id);
    if (!photo || !maySee(photo, userOf(request).id)) throw noSuchPhoto();
    return photo;
  };
  const owned = (request: FastifyRequest<PhotoRoute>): Photo => {
    const photo = seen(request);
    if (photo.owner !== userOf(request).id) throw forbidden('Only the owner of a photo can share or delete it');
    return photo;
  };

  app.get('/bus', async (request): Promise<BusView> => {
    const { id, roles } = userOf(request);
    return { url: platform.busPublicUrl, token: await platform.tokens.forUser(id, roles) };
  });

  // The offset is asked for before the photos are read: what happens in between is told twice, and
  // nothing is told never.
  app.get('/library', async (request): Promise<LibraryView> => {
    const user = userOf(request);
    const offset = await platform.frontier();
    const photos = await Promise.all(library.visibleTo(user.id).map((photo) => view(photo, user)));
    const announcement = platform.announcements.current();
    return { photos, ...(announcement && { announcement }), ...(offset && { offset }) };
  });

  app.post('/photos', async (request, reply): Promise<UploadView> => {
    const user = userOf(request);
    if (!request.isMultipart()) throw badRequest('Send the files as multipart/form-data');
    const photos = await platform.uploads.take(user.id, request.files(), request.raw);
    const told = await Promise.all(photos.map(({ id }) => outbox.tell(id)));
    const announced = (['refused', 'later'] as const).find((worse) => told.includes(worse)) ?? 'now';
    reply.status(announced === 'now' ? 201 : 202);
    return { announced, photoIds: photos.map(({ id }) => id) };
  });

  app.get<PhotoRoute>('/photos/:id', async (request) => view(seen(request), userOf(request)));

  app.get<{ Params: { id: string; size: string } }>('/photos/:id/thumbnails/:size', async (request, reply) => {
    const photo = seen(request as FastifyRequest<PhotoRoute>);
    const size = THUMBNAIL_SIZES.find((known) => String(known) === request.params.size);
    const result = await library.resultOf(photo.id);
    const isThere = result?.status === 'completed' && result.thumbnails.some((thumbnail) => thumbnail.size === size);
    if (!size || !isThere) throw noSuchPhoto();
    reply.headers({ 'content-type': 'image/webp', 'cache-control': 'private, max-age=3600', vary: 'authorization' });
    return reply.send(createReadStream(library.media.thumbnail(photo.id, size)));
  });

  app.delete<PhotoRoute>('/photos/:id', async (request, reply) => {
    await sharing.delete(owned(request));
    return reply.status(204).send();
  });

  app.post<PhotoRoute>('/photos/:id/link', async (request) => ({ key: await sharing.keyOf(owned(request)) }));

  app.post<PhotoRoute & { Body: unknown }>('/photos/:id/watch', async (request) => {
    const { id } = request.params;
    if (!isId(id)) throw noSuchPhoto();
    const user = userOf(request);
    return view(await sharing.join(id, field(request.body, 'key'), user.id), user);
  });

  app.delete<{ Params: { id: string; user: string } }>('/photos/:id/watchers/:user', async (request) => {
    const photo = owned(request as FastifyRequest<PhotoRoute>);
    if (photo.watchers.includes(request.params.user)) await sharing.end(photo, request.params.user);
    return view(library.find(photo.id) ?? photo, userOf(request));
  });

  const adminOnly = (request: FastifyRequest, what: string): User => {
    const user = userOf(request);
    if (!isAdmin(user)) throw forbidden(`Only an admin can ${what}`);
    return user;
  };

  app.get('/refused', async (request): Promise<RefusedView[]> => {
    adminOnly(request, 'see what the bus refuses');
    return outbox.refused().map(({ photo, refusal: { event, code, message, at } }) => {
      return { id: event.id, type: event.type, photoId: photo.id, code, message, at };
    });
  });

  app.post<EventRoute>('/refused/:eventId', async (request): Promise<{ announced: Announced }> => {
    adminOnly(request, 'send an event again');
    return { announced: await outbox.resend(request.params.eventId) };
  });

  app.delete<EventRoute>('/refused/:eventId', async (request, reply) => {
    adminOnly(request, 'dismiss an event');
    await outbox.dismiss(request.params.eventId);
    return reply.status(204).send();
  });

  app.post<{ Body: unknown }>('/announcements', async (request, reply) => {
    const user = adminOnly(request, 'announce something to everyone');
    const message = field(request.body, 'message')?.trim();
    if (!message || [...message].length > MESSAGE_MAX)
      throw badRequest(`message is a text of 1 to ${MESSAGE_MAX} characters`);
    const announcement = { message, announcedBy: user.name, at: new Date().toISOString() };
    await platform.announcements.make(announcement, () =>
      platform.bus.publish('system.announcement', announcement, { timeoutMs: 5_000 }),
    );
    return reply.status(201).send(announcement);
  });
}

// A text field of a JSON body, whatever the body is. JSON can carry half of a character ("\ud83d"), which
// is not valid text.
function field(body: unknown, name: string): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const value = (body as Record<string, unknown>)[name];
  return typeof value === 'string' && !/\p{Surrogate}/u.test(value) ? value : undefined;
}
