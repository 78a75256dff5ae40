import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { writeJson } from '../shared/files.js';
import { Media, newId } from '../shared/media.js';
import { folder } from '../test/folder.js';
import { noPhoto, paint, SCENES } from '../test/pictures.js';
import { RecordedBus } from '../test/recorded-bus.js';
import { Darkroom, LIMITS } from './darkroom.js';
import { ATTEMPTS_MAX, Processor } from './processor.js';

const DEVELOP = fileURLToPath(new URL('../dist/services/worker/develop.js', import.meta.url));

async function darkroom(): Promise<{ media: Media; bus: RecordedBus; processor: Processor }> {
  const media = new Media(await folder());
  await mkdir(media.batches(), { recursive: true });
  const bus = new RecordedBus();
  return { media, bus, processor: new Processor(bus, media, new Darkroom(media, LIMITS, DEVELOP)) };
}

async function put(media: Media, bytes: Buffer): Promise<string> {
  const id = newId();
  await mkdir(media.photo(id), { recursive: true });
  await writeFile(media.original(id), bytes);
  return id;
}

const small = await paint(SCENES[0]!, 600, 400);
const huge = await sharp({ create: { width: 10_100, height: 10_000, channels: 3, background: '#888' } })
  .png()
  .toBuffer();

describe('a photo', () => {
  it('becomes thumbnails up to its own size, turned upright and without metadata', async () => {
    const { media, bus, processor } = await darkroom();
    const sideways = await sharp(small.buffer)
      .withExif({ IFD0: { Orientation: '6' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    const id = await put(media, sideways);

    await processor.process(id, undefined);

    expect(bus.types()).toEqual(['photo.processing.started', 'photo.processing.completed']);
    expect(bus.told.at(-1)!.data).toMatchObject({ photoId: id, width: 400, height: 600 });
    const made = (await readdir(media.photo(id))).filter((name) => name.startsWith('thumbnail')).sort();
    expect(made).toEqual(['thumbnail-160.webp', 'thumbnail-480.webp', 'thumbnail-960.webp']);
    const { width, height, exif } = await sharp(media.thumbnail(id, 960)).metadata();
    expect({ width, height, exif }).toEqual({ width: 400, height: 600, exif: undefined });
  });

  it('tells its stages, each further than the one before', async () => {
    const { media, bus, processor } = await darkroom();

    await processor.process(await put(media, small.buffer), undefined);

    const ticks = bus.told
      .filter(({ type }) => type === 'photo.processing.progress')
      .map(({ data }) => (data as { progress: number }).progress);
    expect(ticks.length).toBeGreaterThan(3);
    expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
  });

  it('tells its owner camera, time and place', async () => {
    const { media, bus, processor } = await darkroom();

    await processor.process(await put(media, small.buffer), undefined);

    expect(bus.told.at(-1)!.data).toMatchObject({
      camera: 'Voigtlander Bessa R2',
      takenAt: '2026-05-17T19:42:08.000Z',
      gps: { latitude: 46.55333, longitude: 8.56 },
    });
  });

  it.each([
    ['a text', noPhoto().buffer, /^Not a photo/],
    ['nothing', Buffer.alloc(0), /^Not a photo/],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), /^Not a photo/],
    ['half a JPEG', small.buffer.subarray(0, small.buffer.length / 2), /damaged/],
    ['101 megapixels', huge, /100 megapixels/],
  ])('that is %s fails for good, and says why', async (_, bytes, why) => {
    const { media, bus, processor } = await darkroom();

    await processor.process(await put(media, bytes), undefined);

    expect(bus.types()).toEqual(['photo.processing.started', 'photo.processing.failed']);
    expect((bus.told.at(-1)!.data as { error: string }).error).toMatch(why);
  });

  it.each([
    [1, 16_000],
    [16_000, 1],
  ])('of %i × %i pixels is one like others', async (width, height) => {
    const { media, bus, processor } = await darkroom();
    const line = await sharp({ create: { width, height, channels: 3, background: '#a40' } })
      .png()
      .toBuffer();

    await processor.process(await put(media, line), undefined);

    expect(bus.types()).toEqual(['photo.processing.started', 'photo.processing.completed']);
    expect(bus.told.at(-1)!.data).toMatchObject({ width, height, placeholder: expect.stringMatching(/^.{1,500}$/) });
  });

  it('that fails at each try for what might pass is given back some times, then has failed', async () => {
    const { media, bus, processor } = await darkroom();
    const id = await put(media, small.buffer);
    await mkdir(media.thumbnail(id, 480)); // where a file is to be written
    await expect(processor.process(id, undefined, ATTEMPTS_MAX - 1)).rejects.toThrow('EISDIR');

    await processor.process(id, undefined, ATTEMPTS_MAX);
    await processor.process(id, undefined, ATTEMPTS_MAX + 1);

    const told = bus.told.filter(({ type }) => type !== 'photo.processing.progress' && !type.endsWith('started'));
    expect(told).toEqual([
      { type: 'photo.processing.failed', data: { photoId: id, error: expect.any(String) }, id: `failed-${id}` },
    ]);
  });

  it('of which the bus takes no word is given back some times, then is done with', async () => {
    const { media, bus, processor } = await darkroom();
    const id = await put(media, small.buffer);
    bus.refuses = 'photo.processing.completed';
    await expect(processor.process(id, undefined, ATTEMPTS_MAX - 1)).rejects.toThrow('refused');

    await processor.process(id, undefined, ATTEMPTS_MAX);
  });

  it.each([
    ['memory', { bytes: 100 * 1024 * 1024 }, /takes more memory/],
    ['time', { seconds: 0.02 }, /took more than 0.02 s/],
  ])('that takes too much %s fails for good', async (_, limit, why) => {
    const { media, bus } = await darkroom();
    const processor = new Processor(bus, media, new Darkroom(media, { ...LIMITS, ...limit }, DEVELOP));
    const avif = await sharp({ create: { width: 3_000, height: 2_000, channels: 3, background: '#888' } })
      .avif({ effort: 0 })
      .toBuffer();

    await processor.process(await put(media, avif), undefined);

    expect(bus.types()).toEqual(['photo.processing.started', 'photo.processing.failed']);
    expect((bus.told.at(-1)!.data as { error: string }).error).toMatch(why);
  });

  it('whose process dies is given back', async () => {
    const { media, bus } = await darkroom();
    const crash = join(media.root, 'crash.js');
    await writeFile(crash, 'process.abort()');
    const processor = new Processor(bus, media, new Darkroom(media, LIMITS, crash));

    await expect(processor.process(await put(media, small.buffer), undefined)).rejects.toThrow('SIGABRT');
  });

  it('that is given out again is told again, not made again', async () => {
    const { media, bus, processor } = await darkroom();
    const id = await put(media, small.buffer);
    await processor.process(id, undefined);
    const toldOnce = [...bus.told];

    await new Processor(bus, media, processor.darkroom).process(id, undefined); // another replica, after a crash of the first

    expect(bus.told).toEqual(toldOnce); // the same id: the bus has it already
  });

  it('whose telling fails is given back to the bus, and told when it comes again', async () => {
    const { media, bus, processor } = await darkroom();
    const id = await put(media, small.buffer);
    await processor.process(id, undefined);
    const { data } = bus.told.at(-1)!;
    bus.told.length = 0;
    bus.isAway = true;
    await expect(processor.process(id, undefined)).rejects.toThrow('away');

    bus.isAway = false;
    await processor.process(id, undefined);

    expect(bus.told).toEqual([{ type: 'photo.processing.completed', data, id: `completed-${id}` }]);
  });

  it('that is deleted while it waits is done with', async () => {
    const { bus, processor } = await darkroom();

    await processor.process(newId(), undefined);

    expect(bus.told).toEqual([]);
  });
});

describe('a batch', () => {
  it('goes on without a photo that is deleted', async () => {
    const { media, bus, processor } = await darkroom();
    const [kept, deleted] = [await put(media, small.buffer), newId()];
    const batchId = newId();
    await writeJson(media.batch(batchId), { id: batchId, owner: 'ana', photoIds: [kept, deleted] });

    await processor.process(kept, batchId);
    await processor.process(deleted, batchId);

    expect(bus.told.at(-1)!.data).toEqual({ batchId, userId: 'ana', total: 1, completed: 1, failed: 0 });
  });

  it('is told once, when its last photo is finished, whoever finishes it', async () => {
    const { media, bus, processor } = await darkroom();
    const ids = await Promise.all([small.buffer, small.buffer, noPhoto().buffer].map((bytes) => put(media, bytes)));
    const batchId = newId();
    await writeJson(media.batch(batchId), { id: batchId, owner: 'ana', photoIds: ids });
    const replica = new Processor(bus, media, processor.darkroom);

    await processor.process(ids[0]!, batchId);
    expect(bus.types()).not.toContain('batch.processing.completed');
    await Promise.all([processor.process(ids[1]!, batchId), replica.process(ids[2]!, batchId)]);
    await replica.process(ids[0]!, batchId);

    const told = bus.told.filter(({ type }) => type === 'batch.processing.completed');
    expect(told.map(({ data }) => data)).toEqual([{ batchId, userId: 'ana', total: 3, completed: 2, failed: 1 }]);
  });
});
