import { expect, test } from 'vitest';

import { recentIds } from './recent-ids.js';

test('an id is new once, until as many others have come as are remembered', () => {
  const isNew = recentIds(3, () => {});

  expect(['a', 'b', 'a', 'c', 'a'].map(isNew)).toEqual([true, true, false, true, false]);
  expect(isNew('d')).toBe(true); // a is the oldest and goes
  expect(isNew('b')).toBe(false);
  expect(isNew('a')).toBe(true);
});
