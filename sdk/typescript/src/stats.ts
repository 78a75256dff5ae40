/** What a client has done since it was first used. */
export interface Stats {
  /** Events that it has published and the server has stored; one that had been stored before is not counted again. */
  readonly sent: number;
  /** Events that have come from the server, repeats included. */
  readonly received: number;
  /** How often a handler was not called for an event that it had had already, as after a drop. */
  readonly repeats: number;
  /** How often the connection has come back after it was lost. */
  readonly reconnects: number;
  /** How long the server took for the answer to the last command, in ms; undefined: there has been none. */
  readonly roundTripMs: number | undefined;
}

export const noStats: Stats = { sent: 0, received: 0, repeats: 0, reconnects: 0, roundTripMs: undefined };
