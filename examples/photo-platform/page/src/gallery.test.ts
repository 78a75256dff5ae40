import { describe, expect, it } from 'vitest';
import type { PhotoView } from '../../shared/views.js';
import type { PlatformEvent } from './events.js';
import { applyEvent, mergeLibrary, newestFirst, type Photos } from './gallery.js';

const ana = { id: 'ana', name: 'Ana', admin: false };
const ben = { id: 'ben', name: 'Ben', admin: false };
const NONE: Photos = new Map();

function event<Type extends PlatformEvent['type']>(
  type: Type,
  data: Extract<PlatformEvent, { type: Type }>['data'],
): PlatformEvent {
  return { id: type, type, data, time: '2026-11-24T12:00:00Z', subject: 'photo:1' } as PlatformEvent;
}

const uploaded = event('photo.uploaded', {
  photoId: '1',
  userId: 'ana',
  filename: 'a.jpg',
  bytes: 9,
  uploadedAt: '2026-11-24T12:00:00Z',
});
const started = event('photo.processing.started', { photoId: '1' });
const progress = (percent: number): PlatformEvent =>
  event('photo.processing.progress', { photoId: '1', progress: percent, currentStage: 'decoding' });
const completed = event('photo.processing.completed', {
  photoId: '1',
  width: 4,
  height: 3,
  placeholder: '',
  thumbnails: [],
});
const failed = event('photo.processing.failed', { photoId: '1', error: 'no photo' });

function after(...events: PlatformEvent[]): { status?: string; progress?: number } {
  const photos = events.reduce((now, next) => applyEvent(now, next, ana).photos, NONE);
  const { status, progress: percent } = photos.get('1') ?? {};
  return { ...(status && { status }), ...(percent !== undefined && { progress: percent }) };
}

const view = (over: Partial<PhotoView> = {}): PhotoView => ({
  id: '1',
  owner: ana,
  filename: 'a.jpg',
  bytes: 9,
  uploadedAt: '2026-11-24T12:00:00Z',
  status: 'waiting',
  thumbnails: [],
  watchers: [],
  ...over,
});

describe('a photo', () => {
  it.each([
    ['waits once it is uploaded', [uploaded], { status: 'waiting', progress: 0 }],
    ['moves on with progress', [uploaded, started, progress(40)], { status: 'processing', progress: 40 }],
    [
      'does not go back when it is begun again',
      [uploaded, progress(60), started, progress(5)],
      { status: 'processing', progress: 60 },
    ],
    ['is completed', [uploaded, started, completed], { status: 'completed', progress: 100 }],
    [
      'stays completed when events come again',
      [uploaded, completed, uploaded, started, progress(5)],
      { status: 'completed', progress: 100 },
    ],
    ['stays failed', [uploaded, failed, progress(50), completed], { status: 'failed', progress: 0 }],
    ['is gone once it is deleted', [uploaded, completed, event('photo.deleted', { photoId: '1', userId: 'ana' })], {}],
    [
      'of somebody else does not appear',
      [event('photo.uploaded', { photoId: '1', userId: 'ben', filename: 'b', bytes: 1, uploadedAt: '' })],
      {},
    ],
  ])('%s', (_, events, expected) => {
    expect(after(...events)).toEqual(expected);
  });

  it('that is not known is asked for', () => {
    expect(applyEvent(NONE, progress(40), ana)).toEqual({ photos: NONE, refresh: '1' });
  });

  it('goes from who is shown out, and is asked for anew by its owner', () => {
    const unshared = event('photo.unshared', { photoId: '1', userId: 'ana', filename: 'a.jpg', sharedWith: 'ben' });
    const photos = mergeLibrary(NONE, [view()]);

    expect(applyEvent(photos, unshared, ben).photos.size).toBe(0);
    expect(applyEvent(photos, unshared, ana)).toEqual({ photos, refresh: '1' });
  });
});

describe('the library', () => {
  it('does not take back what events have told already', () => {
    const live = [uploaded, started, progress(70)].reduce((now, next) => applyEvent(now, next, ana).photos, NONE);

    const merged = mergeLibrary(live, [view({ watchers: [ben] })]).get('1');

    expect(merged).toMatchObject({ status: 'processing', progress: 70, watchers: [ben] });
  });

  it('drops what is not there, or not shared, any more', () => {
    const live = mergeLibrary(NONE, [view(), view({ id: '2', owner: ben })]);

    expect([...mergeLibrary(live, [view()]).keys()]).toEqual(['1']);
  });

  it('is shown newest first', () => {
    const photos = mergeLibrary(NONE, [view({ id: '1' }), view({ id: '2', uploadedAt: '2026-11-25T12:00:00Z' })]);

    expect(newestFirst(photos).map(({ id }) => id)).toEqual(['2', '1']);
  });
});
