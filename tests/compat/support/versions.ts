/// <reference path="./old-versions.d.ts" />
import { io as io31 } from 'sio31';
import { io as io41 } from 'sio41';
import { io as io46 } from 'sio46';
import type { ManagerOptions, Socket, SocketOptions } from 'sio48';
import { io as io48 } from 'sio48';

export type Connect = (url: string, options: Partial<ManagerOptions & SocketOptions>) => Socket;

export interface Version {
  readonly io: Connect;
  readonly recovers: boolean;
  /** Whether it has `timeout()` and `emitWithAck()`. */
  readonly timesOut: boolean;
  /** Whether it makes POSTs of no more than maxPayload. */
  readonly splits: boolean;
}

/** The versions of socket.io-client that people have; the types of the newest stand for all. */
export const kVersions: Readonly<Record<string, Version>> = {
  '3.1': { io: io31, recovers: false, timesOut: false, splits: false },
  '4.1': { io: io41, recovers: false, timesOut: false, splits: false },
  '4.6': { io: io46 as unknown as Connect, recovers: true, timesOut: true, splits: true },
  '4.8': { io: io48, recovers: true, timesOut: true, splits: true },
};

export const kTransports: Readonly<Record<string, Partial<ManagerOptions>>> = {
  WebSocket: { transports: ['websocket'] },
  'WebSocket without compression': { transports: ['websocket'], perMessageDeflate: false } as object,  // Node's only
  polling: { transports: ['polling'] },
  upgrade: { transports: ['polling', 'websocket'] },
};

export const kMatrix = Object.entries(kVersions).flatMap(([version, { io, recovers }]) =>
  Object.entries(kTransports).map(([transport, options]) => ({ version, transport, recovers, open: (url: string, more: Partial<ManagerOptions & SocketOptions> = {}) => io(url, { forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50, ...options, ...more }) })));
