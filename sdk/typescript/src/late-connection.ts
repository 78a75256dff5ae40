import type { Connection } from './connection.js';
import { EventBusError } from './errors.js';
import type { Json } from './guards.js';
import { Observers } from './observers.js';
import type { ConnectionState } from './state.js';

/** A connection whose code is loaded when it is opened. Until that is there it is on the way, as if the server was slow. */
export class LateConnection implements Connection {
  readonly states = new Observers<ConnectionState>();
  readonly #load: () => Promise<Connection>;
  #early: ConnectionState = { status: 'idle' }; // until it is loaded, and opened
  #loading: Promise<void> | undefined;
  #loaded: Connection | undefined;

  /** `load` never rejects. */
  constructor(load: () => Promise<Connection>) {
    this.#load = load;
  }

  get state(): ConnectionState {
    const { state } = this.#loaded ?? {};
    return state === undefined || state.status === 'idle' ? this.#early : state;
  }

  get isLive(): boolean {
    return this.#loaded?.isLive === true;
  }

  get maxPayload(): number | undefined {
    return this.#loaded?.maxPayload;
  }

  get dedupeWindowMs(): number | undefined {
    return this.#loaded?.dedupeWindowMs;
  }

  open(): void {
    if (this.#loaded !== undefined) return this.#loaded.open();
    if (this.#early.status === 'connecting') return;
    this.#tell('connecting');
    this.#loading ??= this.#load().then((loaded) => {
      loaded.states.add((state) => this.states.tell(state));
      this.#loaded = loaded;
      if (this.#early.status === 'connecting') loaded.open();
    });
  }

  reconnect(): void {
    if (this.#loaded !== undefined) this.#loaded.reconnect();
    else this.open();
  }

  disconnect(): void {
    if (this.#loaded !== undefined) this.#loaded.disconnect();
    else if (this.#early.status !== 'idle') this.#tell('closed');
  }

  close(): void {
    if (this.#loaded !== undefined) this.#loaded.close();
    else this.#tell('closed');
  }

  send(command: string, args: readonly unknown[], timeoutMs: number, onAnswer: (answer: Json | EventBusError) => void): void {
    if (this.#loaded !== undefined) this.#loaded.send(command, args, timeoutMs, onAnswer);
    else onAnswer(new EventBusError('unavailable', 'The event bus is not connected.'));
  }

  #tell(status: ConnectionState['status']): void {
    this.#early = { status };
    this.states.tell(this.#early);
  }
}
