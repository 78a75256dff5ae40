import { signal } from '@preact/signals';
import { createEventBus, type ConnectionState, type EventBus, type Subscription } from '@shared-infra/event-bus';
import type { Announcement, BatchCompleted, HealthUpdate, PlatformEvents } from '../../shared/events.js';
import { FILES_MAX } from '../../shared/limits.js';
import type { PhotoView, SessionView, UserView } from '../../shared/views.js';
import { Api, messageOf } from './api.js';
import type { PlatformEvent } from './events.js';
import { applyEvent, isFinished, mergeLibrary, mergePhoto, type Photos } from './gallery.js';
import type { WatchLink } from './watch-link.js';

const ACTIVITY_MAX = 60; // lines of what came over the bus
const EARLY_EVENTS_MAX = 1_000; // that wait for the library; past it, the library is asked for again
const LOAD_AGAIN_MS = 2_000;
const NOTICES_MAX = 4;
const NOTICE_MS = 9_000;

export interface Notice {
  id: number;
  tone: 'good' | 'bad' | 'plain';
  text: string;
}

export interface Upload {
  id: number;
  label: string;
  share: number; // 0 to 1
}

export interface HealthReport extends HealthUpdate {
  heardAt: number;
}

// What one signed-in user has before them: everything that the page shows, kept up to date by the
// bus. First it is live on the bus, then the API is asked: what happens in between comes twice, and
// nothing comes never.
export class Desk {
  readonly photos = signal<Photos>(new Map());
  readonly isLoaded = signal(false);
  readonly connection = signal<ConnectionState>({ status: 'idle' });
  readonly announcement = signal<Announcement | undefined>(undefined);
  readonly health = signal<ReadonlyMap<string, HealthReport>>(new Map());
  readonly activity = signal<readonly PlatformEvent[]>([]);
  readonly notices = signal<readonly Notice[]>([]);
  readonly uploads = signal<readonly Upload[]>([]);
  readonly #bus: EventBus<PlatformEvents>;
  readonly #watches = new Map<string, Promise<Subscription | undefined>>();
  #early: PlatformEvent[] = [];
  #loading = false;
  #offset: string | undefined; // of the last library: what it does not tell comes after it
  #ids = 0;
  #isClosed = false;

  // `url` is the bus's. Its tokens are short-lived: the API gives a new one at every connect, for as
  // long as the session holds.
  private constructor(
    readonly user: UserView,
    readonly api: Api,
    url: string,
  ) {
    const token = async (): Promise<string> => (await this.api.bus()).token;
    this.#bus = createEventBus<PlatformEvents>({ url, token, resumeKey: user.id });
    this.#bus.on('**', (event) => this.#receive(event as PlatformEvent));
    this.#bus.onGap(() => void this.#load()); // what is not kept any more, the API still knows
    this.#bus.onState((state) => this.#onState(state));
  }

  static async open({ user, session }: SessionView, onSignedOut: () => void): Promise<Desk> {
    const api = new Api(session, onSignedOut);
    return new Desk(user, api, (await api.bus()).url);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#bus.close();
  }

  async upload(files: readonly File[]): Promise<void> {
    for (let next = 0; next < files.length; next += FILES_MAX)
      await this.#uploadSome(files.slice(next, next + FILES_MAX));
  }

  async #uploadSome(files: readonly File[]): Promise<void> {
    const upload = { id: ++this.#ids, label: files.length === 1 ? files[0]!.name : `${files.length} photos`, share: 0 };
    const show = (share: number): void => {
      this.uploads.value = this.uploads.value.map((other) => (other.id === upload.id ? { ...other, share } : other));
    };
    this.uploads.value = [...this.uploads.value, upload];
    try {
      const { announced } = await this.api.upload(files, show);
      if (announced === 'later')
        this.notify('plain', 'Stored safely. Developing begins as soon as the event bus is back.');
      if (announced === 'refused')
        this.notify('bad', 'Stored, but the event bus refuses to tell of it. An admin sees why, and can send it again.');
    } catch (error) {
      this.notify('bad', `${upload.label}: ${messageOf(error)}`);
    } finally {
      this.uploads.value = this.uploads.value.filter(({ id }) => id !== upload.id);
    }
  }

  // Takes up a link that somebody gave. The photo, or undefined if the link is not (or no longer) good.
  async openLink({ photoId, key }: WatchLink): Promise<PhotoView | undefined> {
    try {
      const photo = await this.api.watch(photoId, key);
      this.#take(photo);
      return photo;
    } catch (error) {
      this.notify('bad', messageOf(error));
      return undefined;
    }
  }

  async unshare(photoId: string, user: string): Promise<void> {
    try {
      this.#take(await this.api.unshare(photoId, user));
    } catch (error) {
      this.notify('bad', messageOf(error));
    }
  }

  async remove(photoId: string): Promise<void> {
    await this.api.remove(photoId).catch((error: unknown) => this.notify('bad', messageOf(error)));
  }

  notify(tone: Notice['tone'], text: string): void {
    const notice = { id: ++this.#ids, tone, text };
    this.notices.value = [...this.notices.value, notice].slice(-NOTICES_MAX);
    setTimeout(() => this.dismiss(notice.id), NOTICE_MS);
  }

  dismiss(id: number): void {
    this.notices.value = this.notices.value.filter((notice) => notice.id !== id);
  }

  #onState(state: ConnectionState): void {
    this.connection.value = state;
    const isFirst = !this.isLoaded.value;
    // Without `missed`, nobody has said that this connection goes on where the last one ended.
    if (state.status === 'live' && (isFirst || state.missed === undefined)) void this.#load();
  }

  // Takes in what the API knows, then what has come over the bus meanwhile.
  async #load(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    const isLoaded = await this.#takeLibrary();
    this.#loading = false;
    const early = this.#early.splice(0);
    if (isLoaded) this.isLoaded.value = true;
    for (const event of early) this.#apply(event);
    this.#watchUnfinished();
    if (this.#isClosed) return;
    if (!isLoaded) setTimeout(() => void this.#load(), LOAD_AGAIN_MS);
    else if (early.length >= EARLY_EVENTS_MAX) await this.#load();
  }

  async #takeLibrary(): Promise<boolean> {
    try {
      const { photos, announcement, offset } = await this.api.library();
      this.#offset = offset;
      this.photos.value = mergeLibrary(this.photos.value, photos);
      if (announcement) this.announcement.value = announcement;
      return true;
    } catch (error) {
      if (!this.#isClosed) this.notify('bad', `Your photos could not be loaded: ${messageOf(error)}`);
      return false;
    }
  }

  #receive(event: PlatformEvent): void {
    this.activity.value = [event, ...this.activity.value].slice(0, ACTIVITY_MAX);
    if (!this.#loading && this.isLoaded.value) this.#apply(event);
    else if (this.#early.length < EARLY_EVENTS_MAX) this.#early.push(event);
  }

  #apply(event: PlatformEvent): void {
    const { photos, refresh } = applyEvent(this.photos.value, event, this.user);
    this.photos.value = photos;
    if (refresh) void this.#refresh(refresh);
    this.#watchUnfinished();
    switch (event.type) {
      case 'system.announcement':
        this.announcement.value = event.data;
        break;
      case 'system.health.update':
        this.health.value = new Map(this.health.value).set(event.data.component, {
          ...event.data,
          heardAt: Date.now(),
        });
        break;
      case 'batch.processing.completed':
        this.#notifyBatch(event.data);
        break;
      case 'photo.shared':
        this.#notifyShared(event.data.sharedWith, event.data.filename);
        break;
      case 'photo.unshared':
        if (event.data.sharedWith === this.user.id)
          this.notify('plain', `${event.data.filename} is not shared with you any more.`);
        break;
    }
  }

  #notifyBatch({ total, completed, failed }: BatchCompleted): void {
    if (failed === 0) this.notify('good', `All ${total} photos are developed.`);
    else this.notify('plain', `${completed} of ${total} photos are developed; ${failed} could not be read.`);
  }

  #notifyShared(sharedWith: string, filename: string): void {
    if (sharedWith === this.user.id) this.notify('good', `${filename} is shared with you.`);
    else this.notify('plain', `Somebody has opened your link to ${filename}.`);
  }

  async #refresh(id: string): Promise<void> {
    const photo = await this.api.photo(id).catch(() => undefined); // gone, or not ours any more
    if (photo) this.#take(photo);
  }

  #take(view: PhotoView): void {
    this.photos.value = mergePhoto(this.photos.value, view);
    this.#watchUnfinished();
  }

  // Events about one's own photos come by themselves; other people's are watched while they develop.
  #watchUnfinished(): void {
    const wanted = new Set<string>();
    for (const photo of this.photos.value.values()) {
      if (photo.owner.id !== this.user.id && !isFinished(photo)) wanted.add(photo.id);
    }
    for (const id of wanted) if (!this.#watches.has(id)) this.#watches.set(id, this.#watch(id));
    for (const [id, watch] of this.#watches) {
      if (wanted.has(id)) continue;
      this.#watches.delete(id);
      void watch.then((subscription) => subscription?.unsubscribe());
    }
  }

  // The events themselves arrive at on('**'): this only asks the bus for them, from the library's
  // offset on, so that none falls between the two.
  async #watch(id: string): Promise<Subscription | undefined> {
    try {
      const since = this.#offset === undefined ? {} : { since: this.#offset };
      return await this.#bus.subscribe(`photo:${id}`, () => undefined, {
        ...since,
        onEnd: () => void this.#refresh(id),
      });
    } catch (error) {
      if (!this.#isClosed) this.notify('bad', `The photo cannot be watched: ${messageOf(error)}`);
      return undefined;
    }
  }
}
