import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { kBinary } from './server.js';

// A sanitizer's library wants to be the first that is loaded.
const isSanitized = () => /lib[at]san\.so/.test(readFileSync(kBinary, 'latin1'));

/** The first of these libraries that is there and can be loaded before all others of the server; else undefined. */
function loadable(files: readonly string[]): string | undefined {
  const file = files.find(existsSync);
  return file === undefined || isSanitized() ? undefined : file;
}

/** Lets a test set the server's clock: Debian's faketime. */
export const faketime = () => loadable(['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((folder) => `/usr/lib/${folder}/faketime/libfaketime.so.1`));

/** Lets a test stall the server's disk (stalls.cpp); built with the tests. */
export const stalls = () => loadable([join(dirname(kBinary), '../lib/libstalls.so')]);
