import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectService } from '../shared/bus.js';
import { numberFrom, required, stopOnSignal } from '../shared/environment.js';
import { ownMemory, reportHealth } from '../shared/health.js';
import { Media } from '../shared/media.js';
import { BusTokens } from '../shared/tokens.js';
import { Announcements } from './announcements.js';
import { frontierOf } from './frontier.js';
import { Library } from './library.js';
import { Outbox } from './outbox.js';
import { createServer } from './server.js';
import { Sessions } from './sessions.js';
import { Sharing } from './sharing.js';
import { Uploads } from './uploads.js';

const PAGE_DIR = fileURLToPath(new URL('../../page', import.meta.url)); // dist/page, beside dist/services

const busUrl = required('EVENT_BUS_URL');
const busPublicUrl = process.env['EVENT_BUS_PUBLIC_URL'] ?? busUrl;
const tokens = new BusTokens(required('EVENTBUS_JWT_SECRET'));
const media = new Media(required('MEDIA_DIR'));

const library = await Library.open(media);
const bus = connectService('api', busUrl, tokens);
const outbox = new Outbox(bus, library);
const app = await createServer({
  pageDir: PAGE_DIR,
  busPublicUrl,
  platform: {
    bus,
    busPublicUrl,
    frontier: () => frontierOf(busUrl),
    tokens,
    sessions: await Sessions.open(join(media.root, 'session.key')),
    library,
    outbox,
    uploads: new Uploads(library),
    sharing: new Sharing(library, outbox),
    announcements: await Announcements.open(join(media.root, 'announcement.json')),
  },
});

const stopReportingBus = reportHealth(bus, 'event-bus', async () => {
  const asked = performance.now();
  const offset = await frontierOf(busUrl);
  const tookMs = Math.round(performance.now() - asked);
  return {
    status: offset === undefined ? 'degraded' : 'ok',
    detail: `answers in ${tookMs} ms · log at ${offset ?? 'an unknown place'}`,
  };
});
const stopReporting = reportHealth(bus, 'api', async () => {
  const [waiting, refused] = [outbox.waiting(), outbox.refused().length];
  return {
    status: waiting + refused > 0 ? 'degraded' : 'ok',
    detail: `${library.all().length} photos · ${waiting} events to tell · ${refused} refused · ${ownMemory()}`,
  };
});

const address = await app.listen({ host: process.env['HOST'] ?? '127.0.0.1', port: numberFrom('PORT', 8080) });
console.log(`ready: process ${process.pid} serves the page at ${address}`);

stopOnSignal(async () => {
  stopReporting();
  stopReportingBus();
  outbox.close();
  await app.close();
  await bus.close();
});
