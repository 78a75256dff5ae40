import { expect, it } from 'vitest';
import { readWatchLink } from './watch-link.js';

const id = '0123456789abcdef01234567';

it.each([
  [`#/watch/${id}/a-b_C9`, { photoId: id, key: 'a-b_C9' }],
  [`#/watch/${id}/`, undefined],
  [`#/watch/${id}/a/b`, undefined],
  [`#/watch/../../secret/a`, undefined],
  ['#/', undefined],
  ['', undefined],
])('%s is read as %j', (hash, expected) => {
  expect(readWatchLink(hash)).toEqual(expected);
});
