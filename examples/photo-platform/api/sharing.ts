import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { newId } from '../shared/media.js';
import type { PhotoSharing } from '../shared/events.js';
import { WATCHERS_MAX, type Library, type Photo, type Refusal } from './library.js';
import { noSuchPhoto, refusedByBus, tooMany, unavailable } from './problem.js';
import type { Outbox } from './outbox.js';

// Links to watch a photo. Who opens one while signed in becomes a watcher: photo.shared grants it on
// the bus, photo.unshared takes it back at once, on every device.
export class Sharing {
  constructor(
    readonly library: Library,
    readonly outbox: Outbox,
  ) {}

  // The key of the photo's link, made at the first call.
  async keyOf(photo: Photo): Promise<string> {
    const changed = await this.library.change(photo.id, (now) => ({ ...now, linkKey: now.linkKey ?? newKey() }));
    return changed.linkKey!;
  }

  // Waits for the bus: the page subscribes as soon as it has the answer, and must be let in.
  async join(photoId: string, key: unknown, user: string): Promise<Photo> {
    const photo = this.library.find(photoId);
    if (!photo || photo.isDeleted || !opens(photo, key)) throw noSuchPhoto();
    if (photo.owner === user) return photo;
    const isIn = photo.watchers.includes(user);
    if (!isIn && photo.watchers.length >= WATCHERS_MAX)
      throw tooMany(`${WATCHERS_MAX} people watch this photo already`);
    if (!isIn || photo.refused.some((refusal) => isAbout(user, refusal))) {
      await this.library.change(photoId, (now) => ({
        ...now,
        refused: now.refused.filter((refusal) => !isAbout(user, refusal)),
        watchers: [...now.watchers.filter((other) => other !== user), user],
        pending: [...now.pending, { id: newId(), type: 'photo.shared', data: sharing(now, user) }],
      }));
    }
    const announced = await this.outbox.tell(photoId);
    if (announced === 'later')
      throw unavailable('The event bus is away for the moment; the link works again in a few seconds');
    if (announced === 'refused') throw refusedByBus('The event bus refuses to let you watch; an admin can see why');
    return this.library.find(photoId) ?? photo;
  }

  // Takes the photo from everyone. The bytes go first: whatever becomes of the telling, they are gone.
  async delete({ id }: Photo): Promise<void> {
    await this.library.change(id, (now) => {
      const shownOut = now.watchers.map(
        (user) => ({ id: newId(), type: 'photo.unshared', data: sharing(now, user) }) as const,
      );
      const deleted = { id: newId(), type: 'photo.deleted', data: { photoId: id, userId: now.owner } } as const;
      return { ...now, isDeleted: true, watchers: [], pending: [...now.pending, ...shownOut, deleted], refused: [] };
    });
    await this.library.removeBytes(id);
    await this.outbox.tell(id);
  }

  // The link's key changes too: else who was shown out would come in again by it.
  async end(photo: Photo, user: string): Promise<void> {
    await this.library.change(photo.id, (now) => ({
      ...now,
      linkKey: newKey(),
      refused: now.refused.filter((refusal) => !isAbout(user, refusal)),
      watchers: now.watchers.filter((other) => other !== user),
      pending: [...now.pending, { id: newId(), type: 'photo.unshared', data: sharing(now, user) }],
    }));
    if ((await this.outbox.tell(photo.id)) === 'refused')
      throw refusedByBus('The photo is taken from them, but the event bus refuses to; an admin can see why');
  }
}

function sharing(photo: Photo, sharedWith: string): PhotoSharing {
  return { photoId: photo.id, userId: photo.owner, filename: photo.filename, sharedWith };
}

// Sharing with this user that is set aside. A new event about them makes it untrue: sent again later,
// it would give access to a user whose access has ended since.
function isAbout(user: string, { event }: Refusal): boolean {
  return 'sharedWith' in event.data && event.data.sharedWith === user;
}

function newKey(): string {
  return randomBytes(16).toString('base64url');
}

// Compares digests, since timingSafeEqual takes only bytes of equal length, and a stranger may send any text.
function opens(photo: Photo, key: unknown): boolean {
  return photo.linkKey !== undefined && typeof key === 'string' && timingSafeEqual(digest(key), digest(photo.linkKey));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
