// One of the processes of simulate.mjs: `PACKAGE FIRST END STEP` runs every STEPth seed from FIRST, below END.
import { createHash } from 'node:crypto';

import { usePackage } from './package.js';
import { runSeed } from './seed.js';

const [path, ...numbers] = process.argv.slice(2);
const [first = 1, end = 2, step = 1] = numbers.map(Number);
usePackage(path!);
for (let seed = first; seed < end; seed += step) {
  const { setting, faults, trace, counts } = await runSeed(seed);
  const hash = createHash('sha256').update(trace.join('\n')).digest('hex');
  await new Promise((resolve) => process.send!({ seed, setting, faults, trace: faults.length > 0 || end - first === 1 ? trace : [], counts, hash }, resolve));
}
process.disconnect?.();
