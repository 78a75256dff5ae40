import { expectTypeOf, test } from 'vitest';

import { createEventBus } from './index.js';
import type { EventBus, EventOf } from './index.js';

interface PhotoEvents {
  'photo.uploaded': { photoId: string; userId: string; filename: string };
  'photo.processing.progress': { photoId: string; progress: number };
  'photo.processing.completed': { photoId: string; thumbnails: string[]; id: number };
  'system.health.update': { ok: boolean };
}

// Only the type checker reads this; nothing connects.
const bus = createEventBus<PhotoEvents>({ url: 'http://127.0.0.1:1', token: 't' });
const unused = () => {};

test('publish checks the data by the type', () => {
  unused.bind(() => {
    void bus.publish('photo.uploaded', { photoId: '1', userId: 'u', filename: 'f' });
    void bus.publish([{ type: 'system.health.update', data: { ok: true } }]);
    // @ts-expect-error filename is missing
    void bus.publish('photo.uploaded', { photoId: '1', userId: 'u' });
    // @ts-expect-error there is no such type
    void bus.publish('photo.upload', {});
    // @ts-expect-error data of another type
    void bus.publish([{ type: 'system.health.update', data: { photoId: '1' } }]);
  });
});

test('a type narrows the data of a subject’s event', () => {
  unused.bind(() => {
    void bus.subscribe('photo:123', (event) => {
      if (event.type === 'photo.processing.completed') {
        expectTypeOf(event.data.thumbnails).toEqualTypeOf<string[]>();
        expectTypeOf(event.thumbnails).toEqualTypeOf<string[]>();
        expectTypeOf(event.id).toEqualTypeOf<string>(); // the attribute wins
        expectTypeOf(event.data.id).toEqualTypeOf<number>();
      }
    });
  });
});

test('a pattern gives the union of what it covers', () => {
  expectTypeOf<EventOf<PhotoEvents, 'photo.uploaded'>['type']>().toEqualTypeOf<'photo.uploaded'>();
  expectTypeOf<EventOf<PhotoEvents, 'photo.processing.*'>['type']>().toEqualTypeOf<'photo.processing.progress' | 'photo.processing.completed'>();
  expectTypeOf<EventOf<PhotoEvents, 'photo.**'>['photoId']>().toEqualTypeOf<string>();
  expectTypeOf<EventOf<PhotoEvents, '**'>['type']>().toEqualTypeOf<keyof PhotoEvents>();
  expectTypeOf<EventOf<PhotoEvents, 'photo:1'>['type']>().toEqualTypeOf<keyof PhotoEvents>();
});

test('a topic that covers no type of the map is refused, and one that is known at run time only is not', () => {
  const kind: string = 'uploaded';
  unused.bind(() => {
    // @ts-expect-error there is no such type
    void bus.subscribe('photo.uploded', () => {});
    // @ts-expect-error nor one that it covers
    bus.on('album.*', () => {});
    void bus.subscribe(`photo.${kind}`, (event) => void event.photoId);
    void bus.subscribe(`photo:${kind}`, () => {});
    void bus.subscribe(kind, () => {});
    for (const type of ['photo.uploaded', 'system.health.update'] as const) bus.on(type, () => {});
  });
  expectTypeOf<EventOf<PhotoEvents, `photo.${string}`>['type']>().toEqualTypeOf<Exclude<keyof PhotoEvents, 'system.health.update'>>();
  expectTypeOf<EventOf<PhotoEvents, `system.${string}.update`>['type']>().toEqualTypeOf<'system.health.update'>();
});

test('a client goes where one of fewer types, or of any, is asked for, and nowhere else', () => {
  const some = (_bus: EventBus<Pick<PhotoEvents, 'photo.uploaded'>>) => {};
  const any = (_bus: EventBus) => {};
  unused.bind(() => {
    some(bus);
    any(bus);
    some(createEventBus());
    // @ts-expect-error it does not know the type
    some(createEventBus<Pick<PhotoEvents, 'system.health.update'>>());
    // @ts-expect-error it knows it with other data
    some(createEventBus<{ 'photo.uploaded': { photoId: number } }>());
  });
});

test('the data of a batch is checked, also where there is one type', () => {
  const one = createEventBus<{ 'a.b': { x: number } }>();
  unused.bind(() => {
    void one.publish([{ type: 'a.b', data: { x: 1 } }]);
    // @ts-expect-error it has no x
    void one.publish([{ type: 'a.b', data: { y: 1 } }]);
    // @ts-expect-error x is a number
    void bus.publish([{ type: 'photo.uploaded', data: { photoId: 1 } }]);
  });
});

test('an option may be there and undefined', () => {
  expectTypeOf(createEventBus<PhotoEvents>({ url: process.env.NO_SUCH_VARIABLE })).toEqualTypeOf<typeof bus>();
});

test('without a map every field may be read', () => {
  unused.bind(() => {
    void createEventBus().subscribe('photo.uploaded', async (event) => {
      const photoId: string = event.photoId;
      const thumbnails: string[] = event.data.thumbnails;
      return [photoId, thumbnails];
    });
  });
});
