import type { Connection } from './connection.js';
import { Observers } from './observers.js';
import type { ConnectionState } from './state.js';

/** A connection whose code is loaded when it is opened. Until that is there it is on the way, as if the server was slow. */
export class LateConnection implements Connection {
  readonly states = new Observers<ConnectionState>();
  readonly #load: () => Promise<Connection>;
  #early: ConnectionState = { status: 'idle' }; // until it is loaded
  #loaded: Connection | undefined;

  /** `load` never rejects. */
  constructor(load: () => Promise<Connection>) {
    this.#load = load;
  }

  get state(): ConnectionState {
    return this.#loaded?.state ?? this.#early;
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
    void this.#load().then((loaded) => {
      if (this.#loaded !== undefined || this.#early.status !== 'connecting') return; // it was closed meanwhile
      this.#loaded = loaded;
      loaded.states.add((state) => this.states.tell(state));
      loaded.open();
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

  // Only while it is live.
  send(...call: Parameters<Connection['send']>): void {
    this.#loaded!.send(...call);
  }

  #tell(status: ConnectionState['status']): void {
    this.#early = { status };
    this.states.tell(this.#early);
  }
}
