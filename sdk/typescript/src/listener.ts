import type { AnyEvent, UntypedEvents } from './event.js';
import { identityOf } from './event.js';
import type { UntypedHandler } from './handler.js';
import { call } from './handler.js';
import type { RecentIds } from './recent-ids.js';

/** A handler for what arrives in order without being asked for: each event once. */
export class Listener {
  readonly topic: string;
  readonly #handler: UntypedHandler;
  readonly #seen: RecentIds;
  readonly #onHandlerFailed: (thrown: unknown) => void;

  constructor(topic: string, handler: UntypedHandler, seen: RecentIds, onHandlerFailed: (thrown: unknown) => void) {
    this.topic = topic;
    this.#handler = handler;
    this.#seen = seen;
    this.#onHandlerFailed = onHandlerFailed;
  }

  take(event: AnyEvent<UntypedEvents>): void {
    if (this.#seen.add(identityOf(event))) call(this.#handler, event, undefined).catch(this.#onHandlerFailed);
  }
}
