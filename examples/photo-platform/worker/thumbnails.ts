import { writeFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { THUMBNAIL_SIZES, type Media } from '../shared/media.js';
import type { PhotoProcessed, Thumbnail } from '../shared/events.js';
import { NotAPhoto, type OnStage } from './darkroom.js';
import { readOrigin } from './exif.js';

// The formats that are read, by libvips's reader of each, up to so many megapixels: a pixel takes up to
// 18 bytes to decode in AVIF, 6 in GIF and in a progressive JPEG, mostly less than 2 in the others.
const FORMATS: Readonly<Record<string, { reader: string; megapixelsMax: number }>> = {
  jpeg: { reader: 'VipsForeignLoadJpegFile', megapixelsMax: 100 },
  png: { reader: 'VipsForeignLoadPngFile', megapixelsMax: 100 },
  webp: { reader: 'VipsForeignLoadWebpFile', megapixelsMax: 100 },
  tiff: { reader: 'VipsForeignLoadTiffFile', megapixelsMax: 100 },
  gif: { reader: 'VipsForeignLoadNsgifFile', megapixelsMax: 50 },
  heif: { reader: 'VipsForeignLoadHeifFile', megapixelsMax: 20 }, // AVIF
};
const MEGAPIXEL = 1_000_000;
const PLACEHOLDER_SIZE = 16;

// No other reader looks even at the first bytes of a file. SVG and PDF are programs.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(FORMATS).map(({ reader }) => reader) });
sharp.concurrency(1); // each thread takes memory
sharp.cache(false); // no photo is read twice

// Makes all thumbnails of one photo. Decodes it once: smaller sizes come from the biggest.
export async function makeThumbnails(media: Media, photoId: string, onStage: OnStage): Promise<PhotoProcessed> {
  onStage(5, 'reading');
  // The header comes first: of a photo that is too large, nothing is decoded.
  const original = media.original(photoId);
  const { exif, format, autoOrient } = await readable(sharp(original, { limitInputPixels: false }).metadata());
  const { width, height } = autoOrient;
  const { megapixelsMax } = FORMATS[format] ?? raise(notAPhoto());
  if (width * height > megapixelsMax * MEGAPIXEL)
    throw new NotAPhoto(`The photo has more than ${megapixelsMax} megapixels, the most for its format.`);

  onStage(20, 'decoding');
  const sizes = sizesFor(Math.max(width, height)).reverse();
  const biggest = await readable(
    sharp(original, { limitInputPixels: megapixelsMax * MEGAPIXEL, failOn: 'error' })
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
  if (/premature|truncat|corrupt/i.test(reason))
    return new NotAPhoto('The file is damaged: a part of it is missing.', { cause });
  return new NotAPhoto('Not a photo that can be read. Send JPEG, PNG, WebP, GIF, AVIF or TIFF.', { cause });
}

function raise(error: Error): never {
  throw error;
}
