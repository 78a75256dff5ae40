import { expect, test } from 'vitest';

import { RecentIds } from './recent-ids.js';

test('an id is new once, until as many others have come as are remembered', () => {
  const recent = new RecentIds(3, () => {});

  expect(['a', 'b', 'a', 'c', 'a'].map((id) => recent.add(id))).toEqual([true, true, false, true, false]);
  expect(recent.add('d')).toBe(true); // a is the oldest and goes
  expect(recent.add('b')).toBe(false);
  expect(recent.add('a')).toBe(true);
});
