import { afterEach } from 'vitest';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Is called after the test, the latest first. */
export function afterwards(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}
