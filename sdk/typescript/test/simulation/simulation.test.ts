import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

const run = promisify(execFile);

async function ranBy(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [fileURLToPath(new URL(program, import.meta.url)), ...args]);
  return stdout;
}

test('the same seed is the same, whatever ran before it in its process', async () => {
  const hashes = async (...args: string[]) => (await ranBy('simulate.mjs', '--hash', ...args)).split('\n').filter((line) => /^seed \d+: [0-9a-f]{64}$/.test(line)).sort();
  const together = await hashes('--from', '1', '--seeds', '6');
  expect(together).toHaveLength(6);
  expect(await hashes('--from', '1', '--seeds', '6', '--jobs', '3')).toEqual(together);
});

test('every fault can still be planted', async () => {
  expect(await ranBy('mutants.mjs', '--check')).toMatch(/^(\d+) of \1 mutants can be planted$/m);
});
