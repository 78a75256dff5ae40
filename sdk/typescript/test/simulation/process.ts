// One of the processes of simulate.mjs: runs every STEPth seed from FIRST, below END.
import { createHash } from 'node:crypto';

import { runSeed } from './seed.js';

const [first = 1, end = 2, step = 1] = process.argv.slice(2).map(Number);
for (let seed = first; seed < end; seed += step) {
  const { faults, trace, counts } = await runSeed(seed);
  const hash = createHash('sha256').update(trace.join('\n')).digest('hex');
  await new Promise((resolve) => process.send!({ seed, faults, trace: faults.length > 0 || end - first === 1 ? trace : [], counts, hash }, resolve));
}
process.disconnect?.();
