// What all parts of a run share: the server, what was published, who is there, and what was found.
import type { Device } from './devices/device.ts';
import type { Groups } from './model/groups.ts';
import type { Ledger } from './model/ledger.ts';
import type { Violation } from './model/trace.ts';
import type { Happenings, OwnStalls } from './moments.ts';
import type { BusServer } from './server.ts';

export interface World {
  readonly server: BusServer;
  readonly ledger: Ledger;
  readonly groups: Groups;
  readonly happenings: Happenings;
  readonly stalls: OwnStalls;
  readonly devices: Device[];
  /** The photos that are of interest in this round. */
  photos: string[];
  /** Found while it ran; what the judge finds comes at the end of a round. */
  readonly found: Violation[];
  /** False from when a round settles until the next begins: actors begin nothing new. */
  isWild: boolean;
  /** Whether clients and publishers may do what has this name. */
  readonly isAllowed: (act: string) => boolean;
}
