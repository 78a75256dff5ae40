import type { Result } from '../shared/media.js';
import type { PhotoView, UserView } from '../shared/views.js';
import type { Library, Photo } from './library.js';
import { findUser, isAdmin, type User } from './users.js';

export function viewOfUser(user: User): UserView {
  return { id: user.id, name: user.name, admin: isAdmin(user) };
}

export async function viewOfPhoto(library: Library, photo: Photo, viewer: User): Promise<PhotoView> {
  const { id, filename, bytes, uploadedAt } = photo;
  const isOwner = photo.owner === viewer.id;
  const view: PhotoView = {
    id,
    owner: person(photo.owner),
    filename,
    bytes,
    uploadedAt,
    status: 'waiting',
    thumbnails: [],
    watchers: isOwner ? photo.watchers.map(person) : [],
  };
  return { ...view, ...outcome(await library.resultOf(id), isOwner) };
}

function outcome(result: Result | undefined, isOwner: boolean): Partial<PhotoView> {
  if (!result) return {};
  const { photoId: _, ...seen } = result;
  if (seen.status === 'completed' && !isOwner) delete seen.gps; // as the catalog does it for watchers
  return seen;
}

function person(id: string): UserView {
  const user = findUser(id);
  return user ? viewOfUser(user) : { id, name: id, admin: false };
}
