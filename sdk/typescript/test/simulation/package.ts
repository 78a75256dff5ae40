import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';

import type * as Package from '../../src/index.js';
import type { Realm } from './world.js';
import { World } from './world.js';

export type ThePackage = typeof Package;

let script: Script | undefined;
const loaded = new WeakMap<Realm, ThePackage>();

/** The bundle that every page loads from now on. */
export function usePackage(path: string): void {
  script = new Script(readFileSync(path, 'utf8'), { filename: path });
}

/** The package as the running page or process has loaded it: what its modules remember is of that page. */
export function thePackage(): ThePackage {
  const realm = World.current.realm!;
  let own = loaded.get(realm);
  if (own === undefined) {
    own = script!.runInThisContext() as ThePackage;
    loaded.set(realm, own);
  }
  return own;
}
