import { writeFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { THUMBNAIL_SIZES, type Media } from '../shared/media.js';
import type { PhotoProcessed, Thumbnail } from '../shared/events.js';
import { readOrigin } from './exif.js';

// The file will be no better at the next try: the photo has failed for good.
export class NotAPhoto extends Error {}

export type OnStage = (progress: number, currentStage: string) => void;

const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'avif', 'heif', 'tiff']); // no SVG, no PDF: those are programs
const PIXELS_MAX = 100_000_000; // today's biggest phone camera has 200 million only in name
const SECONDS_MAX = 20; // the group's ack_wait is 30 s: who takes longer would be given the photo twice
const PLACEHOLDER_SIZE = 16;

// Makes all thumbnails of one photo. Decodes it once: smaller sizes come from the biggest.
export async function makeThumbnails(media: Media, photoId: string, onStage: OnStage): Promise<PhotoProcessed> {
  onStage(5, 'reading');
  const source = sharp(media.original(photoId), { limitInputPixels: PIXELS_MAX, failOn: 'error' });
  const { exif, format, autoOrient } = await readable(source.metadata());
  if (!FORMATS.has(format)) throw notAPhoto();
  const { width, height } = autoOrient;

  onStage(20, 'decoding');
  const sizes = sizesFor(Math.max(width, height)).reverse();
  const biggest = await readable(
    source
      .timeout({ seconds: SECONDS_MAX })
      .autoOrient()
      .resize({ width: sizes[0], height: sizes[0], fit: 'inside', withoutEnlargement: true })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true }),
  );
  const { width: w, height: h, channels } = biggest.info;
  const decoded = (): Sharp => sharp(biggest.data, { raw: { width: w, height: h, channels } });

  const thumbnails: Thumbnail[] = [];
  for (const [index, size] of sizes.entries()) {
    onStage(Math.round(45 + (45 * index) / sizes.length), 'thumbnail-generation');
    thumbnails.unshift(await makeOne(decoded(), media, photoId, size));
  }

  onStage(92, 'finishing');
  const tiny = await readable(
    decoded()
      .resize({ width: PLACEHOLDER_SIZE, height: PLACEHOLDER_SIZE, fit: 'inside' }) // whichever side is the long one
      .webp({ quality: 30 })
      .toBuffer(),
  );
  const placeholder = `data:image/webp;base64,${tiny.toString('base64')}`;
  return { photoId, width, height, placeholder, thumbnails, ...readOrigin(exif) };
}

async function makeOne(image: Sharp, media: Media, photoId: string, size: number): Promise<Thumbnail> {
  const { data, info } = await readable(
    image
      .resize({ width: size, height: size, fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 82 }) // without metadata: where it was taken stays with the original
      .toBuffer({ resolveWithObject: true }),
  );
  await writeFile(media.thumbnail(photoId, size), data);
  return { size, width: info.width, height: info.height, url: `/api/photos/${photoId}/thumbnails/${size}` };
}

// The sizes that are not above the photo's own, and one that holds it whole.
function sizesFor(longSide: number): number[] {
  return THUMBNAIL_SIZES.filter((_, index) => index === 0 || THUMBNAIL_SIZES[index - 1]! < longSide);
}

// What sharp refuses once it refuses always; only files can do better at the next try.
async function readable<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw notAPhoto(error);
  }
}

function notAPhoto(cause?: unknown): NotAPhoto {
  const reason = cause instanceof Error ? cause.message : '';
  if (/pixel limit/i.test(reason)) return new NotAPhoto('The photo has more than 100 megapixels.', { cause });
  if (/timeout/i.test(reason)) return new NotAPhoto(`Reading the photo took more than ${SECONDS_MAX} s.`, { cause });
  if (/premature|truncat|corrupt/i.test(reason))
    return new NotAPhoto('The file is damaged: a part of it is missing.', { cause });
  return new NotAPhoto('Not a photo that can be read. Send JPEG, PNG, WebP, GIF, AVIF or TIFF.', { cause });
}
