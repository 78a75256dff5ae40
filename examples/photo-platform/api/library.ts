import { mkdir, readdir, rm } from 'node:fs/promises';
import type { PlatformEvents } from '../shared/events.js';
import { readJson, writeJson } from '../shared/files.js';
import { OneAtATime } from '../shared/one-at-a-time.js';
import { isId, newId, THUMBNAIL_SIZES, type Batch, type Media, type Result } from '../shared/media.js';

type Pending = { [Type in keyof PlatformEvents]: { id: string; type: Type; data: PlatformEvents[Type] } };
export type PendingEvent = Pending[keyof Pending];

// An event that the bus refused for good.
export interface Refusal {
  event: PendingEvent;
  code: string;
  message: string;
  at: string;
}

// photo.json. Changes and the events that tell of them are written in one go: see Outbox.
export interface Photo {
  id: string;
  owner: string;
  filename: string;
  bytes: number;
  uploadedAt: string;
  batchId?: string;
  linkKey?: string; // who has it may ask to watch
  watchers: string[];
  pending: PendingEvent[]; // not yet on the bus
  refused: Refusal[]; // set aside
  isDeleted?: true; // for everyone; what is left is to be told
}

export const PHOTOS_PER_USER_MAX = 200;
export const WATCHERS_MAX = 50;

// All photos: their records in memory, as they are on disk.
// Bounded: users × PHOTOS_PER_USER_MAX records; finished results are kept with them.
export class Library {
  readonly #photos = new Map<string, Photo>();
  readonly #results = new Map<string, Result>();
  readonly #writes = new OneAtATime();

  private constructor(readonly media: Media) {}

  static async open(media: Media): Promise<Library> {
    await mkdir(media.photos(), { recursive: true });
    await mkdir(media.batches(), { recursive: true });
    const library = new Library(media);
    for (const id of await readdir(media.photos())) {
      if (!isId(id)) continue;
      const photo = await readJson<Photo>(media.record(id));
      if (photo) library.#photos.set(id, { ...photo, refused: photo.refused ?? [] }); // none in what an older version wrote
      if (photo?.isDeleted) await library.removeBytes(id); // in case that a crash came between
      if (!photo) await rm(media.photo(id), { recursive: true, force: true }); // an upload that a crash cut off
    }
    return library;
  }

  all(): Photo[] {
    return [...this.#photos.values()];
  }

  find(id: string): Photo | undefined {
    return this.#photos.get(id);
  }

  // Deleted ones too, until everybody has been told: they take room.
  ownedBy(user: string): Photo[] {
    return this.all().filter((photo) => photo.owner === user);
  }

  visibleTo(user: string): Photo[] {
    return this.all().filter((photo) => maySee(photo, user));
  }

  // A folder for a photo to come; it counts when add() has written its record.
  async begin(): Promise<string> {
    const id = newId();
    await mkdir(this.media.photo(id));
    return id;
  }

  async discard(id: string): Promise<void> {
    this.#photos.delete(id);
    this.#results.delete(id);
    await rm(this.media.photo(id), { recursive: true, force: true });
  }

  // All but the record, which stays until everybody has been told that the photo is deleted.
  async removeBytes(id: string): Promise<void> {
    const { media } = this;
    const files = [media.original(id), media.result(id), ...THUMBNAIL_SIZES.map((size) => media.thumbnail(id, size))];
    this.#results.delete(id);
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }

  add(photo: Photo): Promise<Photo> {
    return this.#writes.run(photo.id, () => this.#write(photo));
  }

  // Changes of one photo are made one after the other, each on what the one before left.
  change(id: string, how: (photo: Photo) => Photo): Promise<Photo> {
    return this.#writes.run(id, async () => {
      const photo = this.#photos.get(id);
      if (!photo) throw new Error(`there is no photo ${id}`);
      return this.#write(how(photo));
    });
  }

  async saveBatch(batch: Batch): Promise<void> {
    await writeJson(this.media.batch(batch.id), batch);
  }

  // What the worker made of it, or undefined while it has not.
  async resultOf(id: string): Promise<Result | undefined> {
    const known = this.#results.get(id);
    if (known) return known;
    const result = await readJson<Result>(this.media.result(id));
    if (result) this.#results.set(id, result);
    return result;
  }

  async #write(photo: Photo): Promise<Photo> {
    await writeJson(this.media.record(photo.id), photo);
    this.#photos.set(photo.id, photo);
    return photo;
  }
}

export function maySee(photo: Photo, user: string): boolean {
  return !photo.isDeleted && (photo.owner === user || photo.watchers.includes(user));
}
