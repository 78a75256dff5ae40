import { parseArgs } from 'node:util';

import { seedOf, serverBinary, wholeNumber } from './command.ts';

export interface Options {
  readonly seconds: number;
  readonly seed: number;
  readonly binary: string;
  /** `KEY=VALUE` settings of the server that the seed would choose otherwise. */
  readonly settings: Readonly<Record<string, string>>;
  /** Faults of the world to draw from; empty: all. */
  readonly faults: readonly string[];
  /** What clients and publishers may do; empty: everything. */
  readonly acts: readonly string[];
  /** What they may not. */
  readonly without: readonly string[];
  readonly isVerbose: boolean;
}

export const kUsage = `usage: tests/chaos/run [--seconds N] [--seed S] [--server-bin PATH] [--setting KEY=VALUE]… [--faults A,B] [--acts A,B] [--without A,B] [--verbose]
  --seconds N        begins no new round after N seconds (default 60)
  --seed S           what the run does; without it another each time, and the first line says which
  --server-bin PATH  the server (default: EVENTBUS_BIN, else build/release/bin/eventbus)
  --setting K=V      a setting of the server, as reactors=2; may be repeated
  --faults A,B       only these: none, kill, stop, pause, narrow, clock, full, restore
  --acts A,B         clients and publishers do nothing else than this: gallery, watch, flip, unwatch, past, join, cut, lose,
                     hole, stall, away, leave, contest, nack, photos, changes, people, work, storm, heavy, rights, brief
  --without A,B      they do everything but this
  --verbose          what the server said, if a check fails`;

const list = (text: string): string[] => (text === '' ? [] : text.split(','));

/** Throws a sentence for the user if an argument is wrong. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      'server-bin': { type: 'string' },
      setting: { type: 'string', multiple: true, default: [] },
      faults: { type: 'string', default: '' },
      acts: { type: 'string', default: '' },
      without: { type: 'string', default: '' },
      verbose: { type: 'boolean', default: false },
    },
  });
  return {
    seconds: wholeNumber('seconds', values.seconds),
    seed: seedOf(values.seed),
    binary: serverBinary(values['server-bin']),
    settings: Object.fromEntries(values.setting.map((text) => text.split('=', 2) as [string, string])),
    faults: list(values.faults),
    acts: list(values.acts),
    without: list(values.without),
    isVerbose: values.verbose,
  };
}
