import { EventBusError } from '@shared-infra/event-bus';
import { access } from 'node:fs/promises';
import type { PlatformBus } from '../shared/bus.js';
import type { PhotoFailed, PhotoProcessed } from '../shared/events.js';
import { readJson, writeJson } from '../shared/files.js';
import type { Batch, Media, Result } from '../shared/media.js';
import { makeThumbnails, NotAPhoto } from './thumbnails.js';

type Publisher = Pick<PlatformBus, 'publish'>;

// Turns uploaded photos into thumbnails and tells about it.
//
// The bus delivers at least once, to one member at a time: a photo may come again after a crash,
// even to another replica. So (1) result.json is written before it is told of, (2) who finds it
// only tells again, and (3) what is told for good has an id made of the photo's, so that the bus
// stores it once however often it is told.
export class Processor {
  processed = 0;
  failed = 0;
  busy = 0;

  constructor(
    readonly bus: Publisher,
    readonly media: Media,
  ) {}

  async process(photoId: string, batchId: string | undefined): Promise<void> {
    this.busy += 1;
    try {
      // It may have been deleted meanwhile; its batch goes on without it.
      if (await this.#isThere(photoId)) await this.#develop(photoId);
      if (batchId !== undefined) await this.#tellIfWhole(batchId);
    } finally {
      this.busy -= 1;
    }
  }

  async #develop(photoId: string): Promise<void> {
    const known = await readJson<Result>(this.media.result(photoId));
    await this.#tell(known ?? (await this.#makeResult(photoId)));
  }

  async #makeResult(photoId: string): Promise<Result> {
    await this.bus.publish('photo.processing.started', { photoId });
    const result = await this.#attempt(photoId);
    await writeJson(this.media.result(photoId), result);
    if (result.status === 'completed') this.processed += 1;
    else this.failed += 1;
    return result;
  }

  // Errors: what may go away (a full disk); the bus then gives the photo out again.
  async #attempt(photoId: string): Promise<Result> {
    const onStage = (progress: number, currentStage: string): void => {
      // Not waited for, and lost without harm: the next tick says more.
      this.bus.publish('photo.processing.progress', { photoId, progress, currentStage }).catch(() => undefined);
    };
    try {
      const processed: PhotoProcessed = await makeThumbnails(this.media, photoId, onStage);
      return { status: 'completed', ...processed };
    } catch (error) {
      if (!(error instanceof NotAPhoto)) throw error;
      const failure: PhotoFailed = { photoId, error: error.message };
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
