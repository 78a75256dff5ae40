import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { PhotoFailed, PhotoProcessed } from './events.js';

// Where photos lie. API and worker share the folder, as they would share an object store:
//
//   photos/ID/original          the uploaded bytes               written by the API
//   photos/ID/photo.json        whose it is, who may watch it    written by the API
//   photos/ID/thumbnail-N.webp  N pixels on the longer side      written by the worker
//   photos/ID/result.json       what became of it                written by the worker, last
//   batches/ID.json             which photos came together       written by the API
//
// One writer a file; result.json is there before any event tells of it. So who notes the bus's
// offset first and reads the files second misses nothing that happened before the offset.
export class Media {
  constructor(readonly root: string) {}

  photos = (): string => join(this.root, 'photos');
  batches = (): string => join(this.root, 'batches');
  photo = (id: string): string => join(this.photos(), checked(id));
  original = (id: string): string => join(this.photo(id), 'original');
  record = (id: string): string => join(this.photo(id), 'photo.json');
  result = (id: string): string => join(this.photo(id), 'result.json');
  batch = (id: string): string => join(this.batches(), `${checked(id)}.json`);
  thumbnail = (id: string, size: number): string => join(this.photo(id), `thumbnail-${size}.webp`);
}

export type Result = ({ status: 'completed' } & PhotoProcessed) | ({ status: 'failed' } & PhotoFailed);

export interface Batch {
  id: string;
  owner: string;
  photoIds: string[];
}

export const THUMBNAIL_SIZES = [160, 480, 960, 1600] as const;

const ID = /^[0-9a-f]{24}$/;

export function newId(): string {
  return randomBytes(12).toString('hex');
}

export function isId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text);
}

// An id becomes part of a path: nothing but our own form gets there.
function checked(id: string): string {
  if (!isId(id)) throw new TypeError(`not an id of ours: ${JSON.stringify(id)}`);
  return id;
}
