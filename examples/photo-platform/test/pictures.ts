import sharp from 'sharp';

// Photos for the tests: real JPEGs of the size that a phone makes, painted so that one tells them apart.

interface Scene {
  name: string;
  sky: [top: string, bottom: string];
  sun: string;
  hills: [string, string, string];
}

export const SCENES: readonly Scene[] = [
  { name: 'evening-ridge.jpg', sky: ['#2b2d5b', '#f2865e'], sun: '#ffd9a0', hills: ['#7a4a6b', '#4b2f55', '#241a38'] },
  { name: 'morning-lake.jpg', sky: ['#7fb7d8', '#f6e7cf'], sun: '#fff6df', hills: ['#9dbccb', '#5f8f9f', '#2f5a66'] },
  { name: 'autumn-pass.jpg', sky: ['#dfa15a', '#f9e3b4'], sun: '#fff1c9', hills: ['#c0703a', '#8a4526', '#4d2617'] },
  { name: 'north-light.jpg', sky: ['#0c1a33', '#2f8f83'], sun: '#d9fff2', hills: ['#1f4f57', '#14343f', '#0a1c26'] },
  { name: 'spring-valley.jpg', sky: ['#a9d6f5', '#eef8ff'], sun: '#ffffff', hills: ['#a8cf8e', '#6ea65f', '#3d7340'] },
];

export interface Picture {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

export async function paint(scene: Scene, width = 4032, height = 3024): Promise<Picture> {
  const buffer = await sharp(Buffer.from(svgOf(scene, width, height)))
    .jpeg({ quality: 88 })
    .withExif({
      IFD0: { Make: 'Voigtlander', Model: 'Bessa R2' },
      IFD2: { DateTimeOriginal: '2026:05:17 19:42:08' },
      IFD3: {
        GPSLatitudeRef: 'N',
        GPSLatitude: '46/1 33/1 1200/100',
        GPSLongitudeRef: 'E',
        GPSLongitude: '8/1 33/1 3600/100',
      },
    })
    .toBuffer();
  return { name: scene.name, mimeType: 'image/jpeg', buffer };
}

export function noPhoto(name = 'minutes-of-the-meeting.jpg'): Picture {
  return {
    name,
    mimeType: 'image/jpeg',
    buffer: Buffer.from('This is a text that calls itself a photo.\n'.repeat(50)),
  };
}

function svgOf({ sky: [top, bottom], sun, hills }: Scene, width: number, height: number): string {
  const ridges = hills.map(
    (color, index) => `<path d="${ridge(width, height, 0.5 + index * 0.14, index)}" fill="${color}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="${top}"/><stop offset=".7" stop-color="${bottom}"/></linearGradient>
    <radialGradient id="sun"><stop stop-color="${sun}"/><stop offset=".3" stop-color="${sun}" stop-opacity=".8"/><stop offset="1" stop-color="${sun}" stop-opacity="0"/></radialGradient></defs>
    <rect width="100%" height="100%" fill="url(#sky)"/>
    <circle cx="${width * 0.68}" cy="${height * 0.42}" r="${height * 0.24}" fill="url(#sun)"/>
    ${ridges.join('')}</svg>`;
}

function ridge(width: number, height: number, level: number, seed: number): string {
  const points: string[] = [];
  for (let step = 0; step <= 48; step++) {
    const x = (step / 48) * width;
    const wave =
      Math.sin(step * 0.31 + seed * 2.1) * 0.07 +
      Math.sin(step * 0.83 + seed) * 0.035 +
      Math.sin(step * 2.3 + seed * 3) * 0.012;
    points.push(`${x.toFixed(0)},${((level + wave) * height).toFixed(0)}`);
  }
  return `M0,${height} L${points.join(' L')} L${width},${height} Z`;
}
