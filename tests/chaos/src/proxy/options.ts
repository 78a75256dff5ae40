import { parseArgs } from 'node:util';

import { seedOf, serverBinary, wholeNumber } from '../command.ts';

export interface Options {
  readonly seconds: number;
  readonly seed: number;
  readonly binary: string;
  readonly without: readonly string[];
  /** Where to write all that each client saw. */
  readonly traces: string | undefined;
  readonly isVerbose: boolean;
}

export const kUsage = `usage: tests/chaos/proxy [--seconds N] [--seed S] [--server-bin PATH] [--without A,B] [--traces FOLDER] [--verbose]
  --seconds N        begins no new round after N seconds (default 60)
  --seed S           what the run does; without it another each time, and the first line says which
  --server-bin PATH  the server (default: EVENTBUS_BIN, else build/release/bin/eventbus)
  --without A,B      clients and their lines do everything but this: watch, past, twice, unwatch, swap, abort, stream, on, off, leave,
                     reconnect, disconnect, join, part, one, burst, batch, takeBack, heavy, cut, bite, stall, refuse
  --traces FOLDER    writes there, at the end, all that each client said, saw and suffered recently
  --verbose          how long each round took, and what was waited for last`;

/** Throws a sentence for the user if an argument is wrong. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      'server-bin': { type: 'string' },
      without: { type: 'string', default: '' },
      traces: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  });
  return {
    seconds: wholeNumber('seconds', values.seconds),
    seed: seedOf(values.seed),
    binary: serverBinary(values['server-bin']),
    without: values.without === '' ? [] : values.without.split(','),
    traces: values.traces,
    isVerbose: values.verbose,
  };
}
