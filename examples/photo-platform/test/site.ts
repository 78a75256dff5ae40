import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { onTestFinished } from 'vitest';
import { Announcements } from '../api/announcements.js';
import { Library } from '../api/library.js';
import { Outbox } from '../api/outbox.js';
import { createServer, type Timeouts } from '../api/server.js';
import { Sessions } from '../api/sessions.js';
import { Sharing } from '../api/sharing.js';
import { UPLOAD_LIMITS, Uploads, type UploadLimits } from '../api/uploads.js';
import type { PlatformBus } from '../shared/bus.js';
import { Media } from '../shared/media.js';
import type { LibraryView, PhotoView, SessionView } from '../shared/views.js';
import { TOKENS } from './bus-server.js';
import { folder } from './folder.js';
import { RecordedBus } from './recorded-bus.js';

export const NO_BUS = 'http://127.0.0.1:9';

interface Limits {
  uploads?: UploadLimits;
  timeouts?: Timeouts;
}

type Publisher = Pick<PlatformBus, 'publish'>;

// The API, on a bus that records or on a real one.
export class Site<Bus extends Publisher = RecordedBus> {
  private constructor(
    readonly app: FastifyInstance,
    readonly bus: Bus,
    readonly library: Library,
    readonly media: Media,
  ) {}

  static open(root?: string, bus = new RecordedBus()): Promise<Site> {
    return Site.on(bus, NO_BUS, root);
  }

  static async on<Bus extends Publisher>(
    bus: Bus,
    busPublicUrl: string,
    root?: string,
    { uploads = UPLOAD_LIMITS, timeouts }: Limits = {},
  ): Promise<Site<Bus>> {
    const media = new Media(root ?? (await folder()));
    const library = await Library.open(media);
    const outbox = new Outbox(bus, library);
    const app = await createServer({
      pageDir: media.root,
      busPublicUrl,
      ...(timeouts && { timeouts }),
      platform: {
        bus,
        busPublicUrl,
        frontier: async () => undefined,
        tokens: TOKENS,
        sessions: await Sessions.open(join(media.root, 'session.key')),
        library,
        outbox,
        uploads: new Uploads(library, uploads),
        sharing: new Sharing(library, outbox),
        announcements: await Announcements.open(join(media.root, 'announcement.json')),
      },
    });
    onTestFinished(async () => {
      outbox.close();
      await app.close();
    });
    return new Site(app, bus, library, media);
  }

  async as(user: string): Promise<Visitor> {
    const answer = await this.app.inject({ method: 'POST', url: '/api/sign-in', payload: { user } });
    return new Visitor(this.app, answer.json<SessionView>().session);
  }
}

export class Visitor {
  constructor(
    readonly app: FastifyInstance,
    readonly session: string,
  ) {}

  ask(method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object) {
    const headers = { authorization: `Bearer ${this.session}` };
    return this.app.inject({ method, url: `/api${path}`, headers, ...(payload && { payload }) });
  }

  upload(...files: [name: string, bytes: Buffer][]) {
    const parts = files.flatMap(([name, bytes]) => [
      Buffer.from(
        `--cut\r\nContent-Disposition: form-data; name="photos"; filename="${name}"\r\nContent-Type: image/jpeg\r\n\r\n`,
      ),
      bytes,
      Buffer.from('\r\n'),
    ]);
    return this.app.inject({
      method: 'POST',
      url: '/api/photos',
      headers: { authorization: `Bearer ${this.session}`, 'content-type': 'multipart/form-data; boundary=cut' },
      payload: Buffer.concat([...parts, Buffer.from('--cut--\r\n')]),
    });
  }

  async uploadOne(name = 'a.jpg'): Promise<string> {
    return (await this.upload([name, Buffer.from('bytes')])).json<{ photoIds: [string] }>().photoIds[0];
  }

  async photos(): Promise<PhotoView[]> {
    return (await this.ask('GET', '/library')).json<LibraryView>().photos;
  }
}
