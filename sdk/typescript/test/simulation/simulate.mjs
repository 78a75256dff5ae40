// Runs the seeded test of the client: `npm run simulate -- --seeds 2000 --jobs 2`.
//
//   --seeds N    how many seeds; default 100
//   --from M     the first one; default 1
//   --seed S     that one alone
//   --jobs J     in so many processes; default 1
//   --trace      prints what happened in each seed
//   --hash       prints a hash of what happened in each seed
import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';

import { buildPackage, buildSimulation } from './bundle.mjs';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '100' }, from: { type: 'string', default: '1' }, seed: { type: 'string' }, jobs: { type: 'string', default: '1' }, trace: { type: 'boolean', default: false }, hash: { type: 'boolean', default: false } },
});
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const jobs = Math.min(count, Number(values.jobs));

const began = performance.now();
const [program, thePackage] = await Promise.all([buildSimulation(), buildPackage()]);
// The package follows handlers by AsyncLocalStorage, which is slow in Node 22 without this.
const faster = '--experimental-async-context-frame';
const execArgv = process.allowedNodeEnvironmentFlags.has(faster) ? [faster] : [];
const totals = {};
let failed = 0;

await Promise.all(
  Array.from({ length: jobs }, (_, job) => {
    const child = fork(program, [thePackage, String(first + job), String(first + count), String(jobs)], { execArgv });
    child.on('message', onSeed);
    return new Promise((resolve, reject) => child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`A process ended with ${code}.`)))));
  }),
);

console.log(Object.entries(totals).map(([what, times]) => `${what} ${times}`).join(', '));
// A bus that refuses everybody loses nothing, and no judge notices: about half of what usually happens has to.
const leastOfASeed = { subscriptions: 3, 'events handled': 30, 'events published': 8, 'group events handled': 12, cuts: 2, reloads: 0.8, gaps: 0.06, 'watches ended': 0.02 };
for (const [what, least] of Object.entries(leastOfASeed)) {
  if (count < 200 || (totals[what] ?? 0) >= least * count) continue;
  ++failed;
  console.log(`only ${totals[what] ?? 0} ${what} in ${count} seeds`);
}
console.log(`${count} seeds in ${((performance.now() - began) / 1_000).toFixed(1)} s, ${failed} with faults`);
process.exitCode = failed === 0 ? 0 : 1;

function onSeed({ seed, setting, faults, trace, counts, hash }) {
  for (const [what, times] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + times;
  if (values.hash) console.log(`seed ${seed}: ${hash}`);
  if (values.trace) console.log(trace.join('\n'));
  if (faults.length === 0) return;
  ++failed;
  console.log(`seed ${seed} (${setting}): ${faults.slice(0, 5).join('\n  ')}${faults.length > 5 ? `\n  and ${faults.length - 5} more` : ''}\n  again, with what happened: npm run simulate -- --seed ${seed} --trace`);
}
