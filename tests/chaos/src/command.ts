// What the commands of this folder have in common.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { now } from './moments.ts';

/** One campaign: rounds until its time is over. */
export interface Campaign {
  begin(): Promise<void>;
  /** False: something was wrong, and has been told. */
  round(): Promise<boolean>;
  /** The exit code. */
  end(): number;
  destroy(): Promise<void>;
}

/** Runs a campaign as its arguments say, and ends the process: 0 fine, 1 a fault, 2 wrong arguments. */
export async function runCampaign<Options extends { readonly seconds: number; readonly seed: number }>(
  name: string,
  usage: string,
  parse: (args: string[]) => Options,
  make: (options: Options) => Campaign,
): Promise<never> {
  process.exit(await exitCode(name, usage, parse, make)); // a client or a handler that is still at work does not keep the process
}

async function exitCode<Options extends { readonly seconds: number; readonly seed: number }>(name: string, usage: string, parse: (args: string[]) => Options, make: (options: Options) => Campaign): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  let options;
  try {
    options = parse(args);
  } catch (error) {
    console.error(`${name}: ${(error as Error).message}\n${usage}`);
    return 2;
  }
  const campaign = make(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void campaign.destroy().finally(() => process.exit(130)));
  try {
    await campaign.begin();
    while (now() < options.seconds * 1_000) if (!(await campaign.round())) return 1;
    return campaign.end();
  } catch (error) {
    console.error(`${name}: with seed ${options.seed}: ${(error as Error).stack}`);
    return 1;
  } finally {
    await campaign.destroy();
  }
}

/** Throws a sentence for the user if it is not one. */
export function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} is a whole number, and not ${JSON.stringify(text)}`);
  return Number(text);
}

/** The seed that was given, or another one each time. */
export function seedOf(given: string | undefined): number {
  return given === undefined ? Math.floor(Math.random() * 1e6) : wholeNumber('seed', given);
}

/** The server that was given, or the one that there is. Throws a sentence for the user if there is none. */
export function serverBinary(given: string | undefined): string {
  const binary = given ?? process.env.EVENTBUS_BIN ?? fileURLToPath(new URL('../../../build/release/bin/eventbus', import.meta.url));
  if (!existsSync(binary)) throw new Error(`there is no server at ${binary}: build it (./run --build), or name another with --server-bin`);
  return binary;
}
