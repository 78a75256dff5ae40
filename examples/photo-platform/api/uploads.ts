import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { MultipartFile } from '@fastify/multipart';
import { FILE_BYTES_MAX } from '../shared/limits.js';
import { newId } from '../shared/media.js';
import { PHOTOS_PER_USER_MAX, type Library, type Photo } from './library.js';
import { keepPace, type Pace } from './pace.js';
import { badRequest, tooLarge, tooMany } from './problem.js';

export interface UploadLimits {
  atOnce: number;
  ofUserAtOnce: number; // so few that no user takes a large part of `atOnce`
  pace: Pace; // a place is held no longer by who sends nothing
}

export const UPLOAD_LIMITS: UploadLimits = {
  atOnce: 24,
  ofUserAtOnce: 3,
  pace: { bytesPerSecond: 16 * 1024, lookEveryMs: 5_000 },
};
const FILENAME_MAX = 120; // characters

interface Stored {
  id: string;
  filename: string;
  bytes: number;
}

// Takes what a page sends into the library: all files of a request, or none.
export class Uploads {
  readonly #underWay: string[] = []; // their owners

  constructor(
    readonly library: Library,
    readonly limits = UPLOAD_LIMITS,
  ) {}

  // The photos, each with the event that is to tell of it. Several make a batch. `files` come from `request`.
  async take(owner: string, files: AsyncIterable<MultipartFile>, request: IncomingMessage): Promise<Photo[]> {
    const { atOnce, ofUserAtOnce, pace } = this.limits;
    const ofUser = this.#underWay.filter((other) => other === owner).length;
    if (ofUser >= ofUserAtOnce) throw tooMany(`You have ${ofUser} uploads under way; wait until one has ended`);
    if (this.#underWay.length >= atOnce) throw tooMany('Too many uploads at once; try again in a moment');
    this.#underWay.push(owner);
    const taken = this.#takeAll(owner, files).finally(() => this.#underWay.splice(this.#underWay.indexOf(owner), 1));
    return keepPace(pace, request, taken);
  }

  async #takeAll(owner: string, files: AsyncIterable<MultipartFile>): Promise<Photo[]> {
    const stored: Stored[] = [];
    try {
      for await (const file of files) stored.push(await this.#store(owner, file, stored.length));
      if (stored.length === 0) throw badRequest('The request holds no file; send one or more as multipart/form-data');
      return await this.#record(owner, stored);
    } catch (error) {
      await Promise.all(stored.map(({ id }) => this.library.discard(id)));
      throw error;
    }
  }

  async #store(owner: string, file: MultipartFile, before: number): Promise<Stored> {
    if (this.library.ownedBy(owner).length + before >= PHOTOS_PER_USER_MAX) {
      throw tooMany(
        `There is room for ${PHOTOS_PER_USER_MAX} photos, deleted ones included until everybody has been told: delete some`,
      );
    }
    const id = await this.library.begin();
    try {
      await pipeline(file.file, createWriteStream(this.library.media.original(id), { flush: true }));
      if (file.file.truncated) throw tooLarge(`${file.filename} is larger than ${FILE_BYTES_MAX / 1_048_576} MB`);
      const { size } = await stat(this.library.media.original(id));
      return { id, filename: tidy(file.filename), bytes: size };
    } catch (error) {
      await this.library.discard(id);
      throw error;
    }
  }

  async #record(owner: string, stored: Stored[]): Promise<Photo[]> {
    const batchId = stored.length > 1 ? newId() : undefined;
    if (batchId) await this.library.saveBatch({ id: batchId, owner, photoIds: stored.map(({ id }) => id) });
    const uploadedAt = new Date().toISOString();
    const inBatch = batchId ? { batchId } : {};
    return Promise.all(
      stored.map(({ id, filename, bytes }) =>
        this.library.add({
          id,
          owner,
          filename,
          bytes,
          uploadedAt,
          ...inBatch,
          watchers: [],
          refused: [],
          pending: [
            {
              id: `uploaded-${id}`,
              type: 'photo.uploaded',
              data: { photoId: id, userId: owner, filename, bytes, uploadedAt, ...inBatch },
            },
          ],
        }),
      ),
    );
  }
}

// The last part of a path, without what could not be shown. Cut between characters: half of an emoji
// is not valid text, and the bus refuses it.
function tidy(filename: string): string {
  const name = filename.split(/[\\/]/).pop() ?? '';
  const shown = [...name.replace(/\p{C}/gu, '').trim()];
  return shown.slice(-FILENAME_MAX).join('') || 'photo';
}
