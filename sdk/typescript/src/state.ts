import { EventBusError } from './errors.js';

/**
 * What the connection is doing.
 * - `idle`: nothing has been asked for yet.
 * - `connecting`: on the way to the first connection.
 * - `catching-up`: connected; what was missed is arriving.
 * - `live`: events arrive as they happen. `missed`, if the connection went on from an earlier one, is
 *   how many events it has caught up on.
 * - `reconnecting`: the connection was lost and will come back by itself.
 * - `closed`: by `close()`; or, with `error`, because the server refused the token or the client. The
 *   next call that needs the connection tries again.
 *
 * `error` is the last thing that went wrong on the way.
 */
export interface ConnectionState {
  readonly status: 'idle' | 'connecting' | 'catching-up' | 'live' | 'reconnecting' | 'closed';
  readonly missed?: number;
  readonly error?: EventBusError;
  /** While it is connected: what it goes over; where tabs share a connection, that of the tab with the socket. */
  readonly transport?: ConnectionTransport;
}

/** With polling, events come as fast, but each costs an HTTP request. `reason`: why it is no WebSocket, where one was tried. */
export interface ConnectionTransport {
  readonly name: 'websocket' | 'polling' | 'webtransport';
  readonly reason?: string;
}

/** Durable events between these offsets may be no longer kept: what they said must be fetched another way. */
export interface Gap {
  /** Absent where this client had no place yet. May be an offset of a log that is gone. */
  readonly from?: string;
  readonly to: string;
}

/** Why what waits for the connection has not happened; undefined: the connection is not what it waits for. */
export function inTheWay(state: ConnectionState): EventBusError | undefined {
  if (state.error !== undefined || isConnected(state)) return state.error;
  return new EventBusError('unavailable', isOnTheWay(state) ? 'The event bus, or the function `token`, does not answer.' : 'Nothing has called connect().');
}

export function isConnected({ status }: ConnectionState): boolean {
  return status === 'live' || status === 'catching-up';
}

export function isOnTheWay({ status }: ConnectionState): boolean {
  return status === 'connecting' || status === 'reconnecting';
}
