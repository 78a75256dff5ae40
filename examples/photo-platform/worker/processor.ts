import { EventBusError } from '@shared-infra/event-bus';
import { access } from 'node:fs/promises';
import { isRefused, type PlatformBus } from '../shared/bus.js';
import type { PhotoFailed, PhotoProcessed } from '../shared/events.js';
import { readJson, writeJson } from '../shared/files.js';
import type { Batch, Media, Result } from '../shared/media.js';
import { Darkroom, NotAPhoto } from './darkroom.js';

// With the group's back-off, some two minutes. Without a bound, a photo that fails for a reason that
// does not pass would be developed again forever, while its owner waits.
export const ATTEMPTS_MAX = 8;

type Publisher = Pick<PlatformBus, 'publish'>;

// Turns uploaded photos into thumbnails and tells about it.
//
// The bus delivers at least once, to one member at a time: a photo may come again after a crash,
// even to another replica. So (1) result.json is written before it is told of, (2) who finds it
// only tells again, and (3) what is told for good has an id made of the photo's, so that the bus
// stores it once however often it is told. What can never succeed has failed, and is told so: (4) a
// file that is no photo at once, (5) what might pass (a full disk) at the last of its attempts.
export class Processor {
  processed = 0;
  failed = 0;
  busy = 0;

  constructor(
    readonly bus: Publisher,
    readonly media: Media,
    readonly darkroom = new Darkroom(media),
  ) {}

  // `attempt` counts how often the bus has given the photo out. Rejects with what may pass.
  async process(photoId: string, batchId: string | undefined, attempt = 1): Promise<void> {
    this.busy += 1;
    try {
      // It may have been deleted meanwhile; its batch goes on without it.
      if (await this.#isThere(photoId)) await this.#develop(photoId, attempt);
      if (batchId !== undefined) await this.#tellIfWhole(batchId);
    } catch (error) {
      if (attempt < ATTEMPTS_MAX || !isRefused(error)) throw error;
      console.error(`photo ${photoId}: the bus refuses what is told of it, at each of ${attempt} attempts:`, error);
    } finally {
      this.busy -= 1;
    }
  }

  async #develop(photoId: string, attempt: number): Promise<void> {
    const known = await readJson<Result>(this.media.result(photoId));
    await this.#tell(known ?? (await this.#makeResult(photoId, attempt)));
  }

  async #makeResult(photoId: string, attempt: number): Promise<Result> {
    await this.bus.publish('photo.processing.started', { photoId });
    const result = await this.#attempt(photoId, attempt);
    await writeJson(this.media.result(photoId), result);
    if (result.status === 'completed') this.processed += 1;
    else this.failed += 1;
    return result;
  }

  async #attempt(photoId: string, attempt: number): Promise<Result> {
    const onStage = (progress: number, currentStage: string): void => {
      // Not waited for, and lost without harm: the next tick says more.
      this.bus.publish('photo.processing.progress', { photoId, progress, currentStage }).catch(() => undefined);
    };
    try {
      const processed: PhotoProcessed = await this.darkroom.develop(photoId, onStage);
      return { status: 'completed', ...processed };
    } catch (error) {
      const failure: PhotoFailed = { photoId, error: 'It could not be developed; the log of the worker says why.' };
      if (error instanceof NotAPhoto) failure.error = error.message;
      else if (attempt < ATTEMPTS_MAX) throw error;
      else console.error(`photo ${photoId} has failed at each of ${attempt} attempts:`, error);
      return { status: 'failed', ...failure };
    }
  }

  async #tell(result: Result): Promise<void> {
    if (result.status === 'completed') {
      const { status: _, ...data } = result;
      await this.bus.publish('photo.processing.completed', data, { id: `completed-${data.photoId}` });
    } else {
      const { status: _, ...data } = result;
      await this.bus.publish('photo.processing.failed', data, { id: `failed-${data.photoId}` });
    }
  }

  // Whoever finishes a batch's last photo tells; two that finish at once tell the same, stored once.
  async #tellIfWhole(batchId: string): Promise<void> {
    const batch = await readJson<Batch>(this.media.batch(batchId));
    if (!batch) return;
    const isThere = await Promise.all(batch.photoIds.map((id) => this.#isThere(id)));
    const photoIds = batch.photoIds.filter((_, index) => isThere[index]);
    const results = await Promise.all(photoIds.map((id) => readJson<Result>(this.media.result(id))));
    const total = results.length;
    const completed = results.filter((result) => result?.status === 'completed').length;
    const failed = results.filter((result) => result?.status === 'failed').length;
    if (total === 0 || completed + failed < total) return;
    const data = { batchId, userId: batch.owner, total, completed, failed };
    try {
      await this.bus.publish('batch.processing.completed', data, { id: `batch-${batchId}` });
    } catch (error) {
      // Told before with other numbers: a photo has been deleted since.
      if (!(error instanceof EventBusError && error.code === 'id_reused')) throw error;
    }
  }

  async #isThere(photoId: string): Promise<boolean> {
    return access(this.media.original(photoId)).then(
      () => true,
      () => false,
    );
  }
}
