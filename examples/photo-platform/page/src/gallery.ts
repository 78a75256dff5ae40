import type { PhotoView, UserView } from '../../shared/views.js';
import type { PlatformEvent } from './events.js';

// The photos that the page shows, and how events change them. Pure: what is shown is a function of
// what the API said and of the events, whichever came first and however often.

export interface Photo extends PhotoView {
  progress: number; // 0 to 100
  stage: string;
}

export type Photos = ReadonlyMap<string, Photo>;

export interface Change {
  photos: Photos;
  refresh?: string; // a photo of which the event does not say all: the API knows
}

export function isFinished({ status }: PhotoView): boolean {
  return status === 'completed' || status === 'failed';
}

export function applyEvent(photos: Photos, event: PlatformEvent, me: UserView): Change {
  switch (event.type) {
    case 'photo.uploaded': {
      const { photoId, userId, filename, bytes, uploadedAt } = event.data;
      if (photos.has(photoId) || userId !== me.id) return { photos };
      const photo = { id: photoId, owner: me, filename, bytes, uploadedAt, thumbnails: [], watchers: [] };
      return { photos: put(photos, fresh({ ...photo, status: 'waiting' })) };
    }
    case 'photo.processing.started':
      return advance(photos, event.data.photoId, (photo) => ({ ...photo, status: 'processing' }));
    case 'photo.processing.progress': {
      const { photoId, progress, currentStage } = event.data;
      return advance(photos, photoId, (photo) => ({
        ...photo,
        status: 'processing',
        progress: Math.max(photo.progress, progress),
        stage: currentStage,
      }));
    }
    case 'photo.processing.completed': {
      const { photoId, ...result } = event.data;
      return advance(photos, photoId, (photo) => ({ ...photo, ...result, status: 'completed', progress: 100 }));
    }
    case 'photo.processing.failed': {
      const { photoId, error } = event.data;
      return advance(photos, photoId, (photo) => ({ ...photo, error, status: 'failed' }));
    }
    case 'photo.shared':
      return { photos, refresh: event.data.photoId };
    case 'photo.unshared': {
      const { photoId, sharedWith } = event.data;
      return sharedWith === me.id ? { photos: without(photos, photoId) } : { photos, refresh: photoId };
    }
    case 'photo.deleted':
      return { photos: without(photos, event.data.photoId) };
    default:
      return { photos };
  }
}

// Takes in one photo as the API sees it.
export function mergePhoto(photos: Photos, view: PhotoView): Photos {
  return put(photos, furtherOf(photos.get(view.id), view));
}

// Takes in all that the API sees: what it does not see is not there any more.
export function mergeLibrary(photos: Photos, views: readonly PhotoView[]): Photos {
  return new Map(views.map((view) => [view.id, furtherOf(photos.get(view.id), view)]));
}

export function newestFirst(photos: Photos): Photo[] {
  return [...photos.values()].sort(
    (a, b) =>
      b.uploadedAt.localeCompare(a.uploadedAt) || a.filename.localeCompare(b.filename) || a.id.localeCompare(b.id),
  );
}

// A finished photo stays so: an event that comes again must not start its bar anew.
function advance(photos: Photos, id: string, how: (photo: Photo) => Photo): Change {
  const photo = photos.get(id);
  if (!photo) return { photos, refresh: id };
  return { photos: isFinished(photo) ? photos : put(photos, how(photo)) };
}

function furtherOf(known: Photo | undefined, view: PhotoView): Photo {
  if (!known) return fresh(view);
  if (isFinished(view)) return { ...fresh(view), progress: view.status === 'completed' ? 100 : known.progress };
  return { ...known, watchers: view.watchers };
}

function fresh(view: PhotoView): Photo {
  return { ...view, progress: view.status === 'completed' ? 100 : 0, stage: '' };
}

function put(photos: Photos, photo: Photo): Photos {
  return new Map(photos).set(photo.id, photo);
}

function without(photos: Photos, id: string): Photos {
  const rest = new Map(photos);
  rest.delete(id);
  return rest;
}
