import type { ServerProcess } from './server-process.js';
import type { Version } from './versions.js';
import { kVersions } from './versions.js';
import type { Options } from './witness.js';
import { Witness } from './witness.js';

const kScriptMs = 30_000;  // a script takes one or two; a busy machine makes them many

/** What a client does and waits for; what it saw meanwhile is compared. */
export type Script = (client: Witness, options: Options, version: Version) => Promise<void>;

/** What a client of `version` saw that followed `script` at `server`. */
export async function play(server: ServerProcess, script: Script, options: Options, version: Version = kVersions['4.8']!): Promise<string[]> {
  const client = new Witness(server.url, options, version.io);
  // What is long for a script: so that a difference is shown, and not only that there is one.
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, kScriptMs))).then(() => client.saw.add('… and waits in vain'));
  try {
    await Promise.race([script(client, options, version), late]);
    return [...client.saw.things];
  } finally {
    clearTimeout(timer);
    client.socket.io._close();
    client.socket.disconnect();
  }
}
