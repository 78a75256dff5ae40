import { expect, expectTypeOf, test } from 'vitest';

import type { Covers } from './topic.js';
import { coversEvent, coversType } from './topic.js';

test.each([
  ['photo.uploaded', 'photo.uploaded', true],
  ['photo.uploaded', 'photo.uploaded.twice', false],
  ['photo.*', 'photo.uploaded', true],
  ['photo.*', 'photo.processing.started', false],
  ['photo.*', 'photo', false],
  ['photo.*.started', 'photo.processing.started', true],
  ['photo.**', 'photo.processing.started', true],
  ['photo.**', 'batch.processing.completed', false],
  ['**.completed', 'batch.processing.completed', true],
  ['photo.**.completed', 'photo.a.b.completed', true],
  ['photo.**.completed', 'photo.a.b.failed', false],
  ['**', 'anything.at.all', true],
  ['*', 'one', true],
  ['*', 'one.two', false],
  ['photo', 'photo.uploaded', false],
])('%s covers %s: %s', (pattern, type, covers) => {
  expect(coversType(pattern, type)).toBe(covers);
});

test('a subject covers its own events only, whatever their type', () => {
  expect(coversEvent('photo:1', { type: 'photo.uploaded', subject: 'photo:1' })).toBe(true);
  expect(coversEvent('photo:1', { type: 'photo.uploaded', subject: 'photo:12' })).toBe(false);
  expect(coversEvent('photo:1', { type: 'photo:1' })).toBe(false);
});

test('the type checker agrees', () => {
  expectTypeOf<Covers<'photo.uploaded', 'photo.uploaded'>>().toEqualTypeOf<true>();
  expectTypeOf<Covers<'photo.*', 'photo.uploaded'>>().toEqualTypeOf<true>();
  expectTypeOf<Covers<'photo.*', 'photo.processing.started'>>().toEqualTypeOf<false>();
  expectTypeOf<Covers<'photo.*.started', 'photo.processing.started'>>().toEqualTypeOf<true>();
  expectTypeOf<Covers<'photo.**', 'photo.processing.started'>>().toEqualTypeOf<true>();
  expectTypeOf<Covers<'photo.**', 'batch.processing.completed'>>().toEqualTypeOf<false>();
  expectTypeOf<Covers<'**', 'a.b'>>().toEqualTypeOf<true>();
});
