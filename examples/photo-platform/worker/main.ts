import { connectService } from '../shared/bus.js';
import { required, stopOnSignal } from '../shared/environment.js';
import { ownMemory, reportHealth } from '../shared/health.js';
import { isId, Media } from '../shared/media.js';
import { BusTokens } from '../shared/tokens.js';
import { Processor } from './processor.js';

const PHOTOS_AT_ONCE = 1; // of this process: its memory and that of one photo are all that it takes. Run several for more

const bus = connectService('worker', required('EVENT_BUS_URL'), new BusTokens(required('EVENTBUS_JWT_SECRET')));
const processor = new Processor(bus, new Media(required('MEDIA_DIR')));

const uploads = await bus.subscribe(
  'photo.uploaded',
  async (event, delivery) => {
    const { photoId, batchId } = event.data;
    if (!isId(photoId) || (batchId !== undefined && !isId(batchId))) return; // not from our API
    await processor.process(photoId, batchId, delivery?.attempt);
  },
  { maxInFlight: PHOTOS_AT_ONCE },
);

const stopReporting = reportHealth(bus, 'worker', async () => ({
  status: 'ok',
  detail: `${processor.busy} at work · ${processor.processed} done · ${processor.failed} refused · ${ownMemory()}`,
}));
console.log(`ready: process ${process.pid} waits for photos`);

stopOnSignal(async () => {
  stopReporting();
  await uploads.unsubscribe();
  await bus.close();
});
