// The package against the real server, through a proxy that cuts, delays, holds back, splits and reorders what passes.
import { now } from '../moments.ts';
import { kUsage, parseOptions } from './options.ts';
import { Run } from './run.ts';

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(kUsage);
    return 0;
  }
  let options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`proxy: ${(error as Error).message}\n${kUsage}`);
    return 2;
  }
  const run = new Run(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void run.destroy().finally(() => process.exit(130)));
  try {
    await run.begin();
    while (now() < options.seconds * 1_000) if (!(await run.round())) return 1;
    return run.end();
  } catch (error) {
    console.error(`proxy: with seed ${options.seed}: ${(error as Error).stack}`);
    return 1;
  } finally {
    await run.destroy();
  }
}

process.exitCode = await main();
process.exit(); // a handler that is still at work does not keep the process
