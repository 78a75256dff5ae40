import readExif from 'exif-reader';
import type { Place } from '../shared/events.js';

export interface Origin {
  camera?: string;
  takenAt?: string;
  gps?: Place;
}

// What a camera wrote into the photo, as far as it can be read: broken EXIF is no broken photo.
export function readOrigin(exif: Buffer | undefined): Origin {
  if (!exif) return {};
  try {
    const { Image, Photo, GPSInfo } = readExif(exif);
    const camera = [...[Image?.Make, Image?.Model].filter(isText).join(' ').trim()].slice(0, 80).join('');
    const taken = Photo?.DateTimeOriginal;
    const gps = placeFrom(GPSInfo);
    return {
      ...(camera && { camera }),
      ...(taken instanceof Date && !Number.isNaN(taken.getTime()) && { takenAt: taken.toISOString() }),
      ...(gps && { gps }),
    };
  } catch {
    return {};
  }
}

function placeFrom(info: object | undefined): Place | undefined {
  const tags = (info ?? {}) as Record<string, unknown>;
  const latitude = degrees(tags['GPSLatitude'], tags['GPSLatitudeRef'] === 'S');
  const longitude = degrees(tags['GPSLongitude'], tags['GPSLongitudeRef'] === 'W');
  return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
}

// [degrees, minutes, seconds] to a decimal of five places: a metre is enough.
function degrees(value: unknown, negative: boolean): number | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [d, m, s] = value.map(Number) as [number, number, number];
  const sum = d + m / 60 + s / 3600;
  if (!Number.isFinite(sum) || sum > 180) return undefined;
  return Math.round((negative ? -sum : sum) * 1e5) / 1e5;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}
