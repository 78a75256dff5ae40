import type { PlatformBus } from '../shared/bus.js';
import { OneAtATime } from '../shared/one-at-a-time.js';
import type { Library } from './library.js';

const RETRY_EVERY_MS = 1_000;

type Publisher = Pick<PlatformBus, 'publish'>;

// Puts on the bus what photo.json says is still to be told.
//
// A change and its events are written to disk together, then told: neither a crash of ours nor one
// of the bus can leave a photo that nobody heard of. Every event has its id from the start, so one
// that is told twice is stored once. The events of one photo go out in order.
export class Outbox {
  readonly #flushes = new OneAtATime();
  readonly #timer: NodeJS.Timeout;

  constructor(
    readonly bus: Publisher,
    readonly library: Library,
  ) {
    this.#timer = setInterval(() => this.#retry(), RETRY_EVERY_MS);
  }

  waiting(): number {
    return this.library.all().reduce((sum, photo) => sum + photo.pending.length, 0);
  }

  // Tells what is pending of a photo; of a deleted one, nothing is left then. True when all of it is on the bus, false when the bus did not
  // answer within `timeoutMs`: it is told later then.
  async tell(id: string, timeoutMs = 5_000): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const told = this.#flush(id).then(
      () => true,
      () => false,
    );
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, timeoutMs, false)));
    return Promise.race([told, late]).finally(() => clearTimeout(timer));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #flush(id: string): Promise<void> {
    return this.#flushes.run(id, async () => {
      for (;;) {
        const photo = this.library.find(id);
        const event = photo?.pending[0];
        if (!event) return photo?.isDeleted ? this.library.discard(id) : undefined;
        await this.bus.publish(event.type, event.data, { id: event.id });
        await this.library.change(id, (photo) => ({
          ...photo,
          pending: photo.pending.filter((other) => other.id !== event.id),
        }));
      }
    });
  }

  #retry(): void {
    for (const { id, pending, isDeleted } of this.library.all()) {
      if ((pending.length > 0 || isDeleted) && !this.#flushes.isBusy(id)) this.#flush(id).catch(() => undefined);
    }
  }
}
