import { isRefused, type PlatformBus } from '../shared/bus.js';
import { OneAtATime } from '../shared/one-at-a-time.js';
import type { Announced } from '../shared/views.js';
import type { Library, PendingEvent, Photo, Refusal } from './library.js';
import { noSuchEvent } from './problem.js';

const RETRY_EVERY_MS = 1_000;

type Publisher = Pick<PlatformBus, 'publish'>;

// Puts on the bus what photo.json says is still to be told.
//
// A change and its events are written to disk together, then told: neither a crash of ours nor one
// of the bus can leave a photo that nobody heard of. Every event has its id from the start, so one
// that is told twice is stored once. The events of one photo go out in order.
//
// What the bus cannot take now is tried again until it can. What it refuses for good would be refused
// at each try and would keep the photo's next events back: it is logged and set aside, in photo.json
// too, until somebody sends it again (once the catalog is right, say) or dismisses it.
export class Outbox {
  readonly #flushes = new OneAtATime();
  readonly #timer: NodeJS.Timeout;
  #trouble = ''; // why the last try failed; each reason is logged once

  constructor(
    readonly bus: Publisher,
    readonly library: Library,
  ) {
    this.#timer = setInterval(() => this.#retry(), RETRY_EVERY_MS);
  }

  waiting(): number {
    return this.library.all().reduce((sum, photo) => sum + photo.pending.length, 0);
  }

  // What is set aside, with its photo.
  refused(): { photo: Photo; refusal: Refusal }[] {
    return this.library.all().flatMap((photo) => photo.refused.map((refusal) => ({ photo, refusal })));
  }

  // Tells what is pending of a photo; of a deleted one, nothing is left then. 'later' when the bus did
  // not take it within `timeoutMs`; 'refused' when some of it is set aside.
  async tell(id: string, timeoutMs = 5_000): Promise<Announced> {
    let timer: NodeJS.Timeout | undefined;
    const ids = this.library.find(id)?.pending.map((event) => event.id) ?? [];
    const isSetAside = (): boolean =>
      this.library.find(id)?.refused.some(({ event }) => ids.includes(event.id)) ?? false;
    const told = this.#flush(id).then(
      (): Announced => (isSetAside() ? 'refused' : 'now'),
      (): Announced => 'later',
    );
    const late = new Promise<Announced>((resolve) => (timer = setTimeout(resolve, timeoutMs, 'later')));
    return Promise.race([told, late]).finally(() => clearTimeout(timer));
  }

  // Sends an event that is set aside again, behind what waits of its photo.
  async resend(eventId: string): Promise<Announced> {
    const { photo, refusal } = this.#find(eventId);
    await this.library.change(photo.id, (now) => ({ ...without(now, eventId), pending: [...now.pending, refusal.event] }));
    return this.tell(photo.id);
  }

  async dismiss(eventId: string): Promise<void> {
    const { photo } = this.#find(eventId);
    await this.library.change(photo.id, (now) => without(now, eventId));
    await this.tell(photo.id);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  // Rejects with what may pass.
  #flush(id: string): Promise<void> {
    return this.#flushes.run(id, async () => {
      for (;;) {
        const photo = this.library.find(id);
        const event = photo?.pending[0];
        if (!event) return photo && isGone(photo) ? this.library.discard(id) : undefined;
        const refusal = await this.#publish(id, event);
        await this.library.change(id, (now) => ({
          ...now,
          pending: now.pending.filter((other) => other.id !== event.id),
          refused: [...now.refused, ...refusal],
        }));
        this.#trouble = '';
      }
    });
  }

  // The refusal, if the bus will never take it.
  async #publish(photoId: string, event: PendingEvent): Promise<Refusal[]> {
    try {
      await this.bus.publish(event.type, event.data, { id: event.id });
      return [];
    } catch (error) {
      if (!isRefused(error)) throw error;
      const { code, message } = error;
      console.error(
        `${event.type} of photo ${photoId} is refused for good (${code}) and set aside; an admin sees it on the page: ${message}`,
      );
      return [{ event, code, message, at: new Date().toISOString() }];
    }
  }

  #retry(): void {
    for (const photo of this.library.all()) {
      const { id } = photo;
      if ((photo.pending.length > 0 || isGone(photo)) && !this.#flushes.isBusy(id))
        this.#flush(id).catch((error: unknown) => this.#log(error));
    }
  }

  #log(error: unknown): void {
    const trouble = String(error);
    if (trouble !== this.#trouble) console.error(`${this.waiting()} events wait, and are tried again: ${trouble}`);
    this.#trouble = trouble;
  }

  #find(eventId: string): { photo: Photo; refusal: Refusal } {
    const found = this.refused().find(({ refusal }) => refusal.event.id === eventId);
    if (!found) throw noSuchEvent();
    return found;
  }
}

// Deleted, and everybody has been told.
function isGone({ isDeleted, pending, refused }: Photo): boolean {
  return isDeleted === true && pending.length === 0 && refused.length === 0;
}

function without(photo: Photo, eventId: string): Photo {
  return { ...photo, refused: photo.refused.filter(({ event }) => event.id !== eventId) };
}
