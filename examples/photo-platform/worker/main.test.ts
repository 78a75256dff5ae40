import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isFinished } from '../page/src/gallery.js';
import { connectService } from '../shared/bus.js';
import { fortyEightMegapixels, hundredMegapixels } from '../test/bombs.js';
import { BusServer, TOKENS } from '../test/bus-server.js';
import { paint, SCENES } from '../test/pictures.js';
import { Site } from '../test/site.js';
import { residentBytes, WorkerProcess } from '../test/worker-process.js';

const MEMORY_MAX = 600e6;

async function openPlatform() {
  const server = await BusServer.start();
  const bus = connectService('api', server.url, TOKENS);
  onTestFinished(() => bus.close({ drainMs: 0 }));
  const site = await Site.on(bus, server.url);
  const failed: string[] = [];
  await bus.subscribe('photo.processing.failed', (event) => void failed.push(event.data.photoId), { group: null });
  const worker = await WorkerProcess.start(server.url, site.media.root);
  return { ana: await site.as('ana'), worker, failed };
}

describe.runIf(process.platform === 'linux')('the worker', () => {
  it('takes little memory for what a few kilobytes claim to be, says once that it failed, and goes on', async () => {
    const { ana, worker, failed } = await openPlatform();
    const { buffer } = await paint(SCENES[0]!, 600, 400);

    const uploaded = await ana.upload(
      ['one.avif', fortyEightMegapixels()],
      ['two.avif', hundredMegapixels()],
      ['three.avif', hundredMegapixels()],
      ['good.jpg', buffer],
      ['large.avif', await largest()],
    );

    const { photoIds } = uploaded.json<{ photoIds: string[] }>();
    const finished = async () => (await ana.photos()).filter((photo) => isFinished(photo));
    await expect.poll(finished, { timeout: 40_000, interval: 200 }).toHaveLength(5);
    expect(worker.peakBytes).toBeLessThan(MEMORY_MAX);
    expect(failed.sort()).toEqual(photoIds.slice(0, 3).sort());
  }, 60_000);

  it('that is killed leaves no process behind', async () => {
    const { ana, worker } = await openPlatform();
    await ana.upload(['large.avif', await largest()]);
    await expect.poll(() => worker.children(), { interval: 10 }).toHaveLength(1);
    const [child] = await worker.children();

    await worker.kill();

    await expect.poll(() => residentBytes(child!)).toBe(0);
  }, 20_000);
});

// As large as an AVIF may be.
function largest(): Promise<Buffer> {
  return sharp({ create: { width: 5_000, height: 4_000, channels: 3, background: '#888' } })
    .avif({ effort: 0, chromaSubsampling: '4:4:4' })
    .toBuffer();
}
