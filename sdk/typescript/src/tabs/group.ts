import type { News, Request } from './messages.js';

const kVersion = 1; // of what tabs say to each other
const kSilentMs = 2_000; // after which a tab that has asked for something looks whether the leader is well
const kLookMs = 10_000; // and one that only listens, while somebody looks at it
const kHungMs = 5_000; // that a leader may take to say that it is

/** What of the browser a group is made of. */
export interface Browser {
  readonly locks: Pick<LockManager, 'request'>;
  readonly BroadcastChannel: new (name: string) => BroadcastChannel;
}

/** Who is in a group. */
export interface Member {
  /** This tab leads from now on. */
  lead(): void;
  /** It leads no longer: it was busy for so long that another tab has taken its place. Its membership has ended. */
  deposed(): void;
  /** The leader says something. */
  hear(news: News): void;
  /** As the leader: another tab asks for something. */
  asked(from: string, request: Request): void;
  /** As the leader: another tab has ended. */
  gone(tab: string): void;
}

type OnChannel =
  | { readonly news: News; readonly term: string }
  | { readonly seeks: string }
  | { readonly attaches: string; readonly term: string; readonly request: Request };

/**
 * A tab's membership in a group of tabs, one of which leads.
 *
 * - The lock `NAME leader` makes the leader. A browser gives it to the next tab when the one that holds it is closed, has
 *   crashed or leaves, so nobody has to be watched by timers.
 * - Each tab holds `NAME ID` while it is there; the leader waits for it, and has it when the tab is gone.
 * - On the channel `NAME` the leader speaks, answers included, so that they are in order; and tabs ask who leads.
 * - On `NAME ID` the tab speaks to the leader, and no other tab is woken up for it.
 *
 * A leader that hangs, as in an alert() or where the system has suspended its page, is found by those who ask it for
 * something, or whom somebody looks at: it answers nothing, and one of them steals its lock. What it still says later is of
 * a term that is over.
 */
export class Group {
  readonly #name: string;
  readonly #id: string;
  readonly #browser: Browser;
  readonly #member: Member;
  readonly #left = new AbortController();
  readonly #ofTabs = new Map<string, BroadcastChannel>(); // the leader's
  #channel: BroadcastChannel | undefined;
  #own: BroadcastChannel | undefined;
  #term: string | undefined; // its own id, if it leads
  #heard: string | undefined; // the id of the leader
  #silence: ReturnType<typeof setTimeout> | undefined; // since something was asked
  #looking: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0; // by performance.now()

  constructor(key: string, id: string, browser: Browser, member: Member) {
    this.#name = `eventbus ${kVersion} ${key}`;
    this.#id = id;
    this.#browser = browser;
    this.#member = member;
  }

  /** Rejects where the browser gives no locks to this page, as in a sandbox. */
  async enter(): Promise<void> {
    await this.#hold(`${this.#name} ${this.#id}`);
    if (this.#left.signal.aborted) return;
    this.#channel = new this.#browser.BroadcastChannel(this.#name);
    this.#own = new this.#browser.BroadcastChannel(`${this.#name} ${this.#id}`);
    this.#channel.onmessage = ({ data }: MessageEvent<OnChannel>) => this.#onMessage(data);
    void this.#hold(`${this.#name} leader`).then(() => this.#lead(), () => {});
    this.#seek();
    this.#looking = setInterval(() => this.#look(), kLookMs);
  }

  /** Asks the leader for something. */
  ask(request: Request): void {
    const term = this.#heard;
    if (this.#term !== undefined) return this.#member.asked(this.#id, request);
    if (request.kind === 'attach') this.#post({ attaches: this.#id, term: term!, request });
    else this.#own?.postMessage({ term, request });
    this.#silence ??= setTimeout(() => this.#seek(), kSilentMs);
  }

  /** As the leader, says something. */
  tell(news: News): void {
    const term = this.#term;
    if (term === undefined || this.#left.signal.aborted) return;
    if (news.to === undefined || news.to.some((id) => id !== this.#id)) this.#post({ news, term });
    if (news.to?.includes(this.#id) !== false) this.#member.hear(news);
  }

  /** Gives up the lead and the membership. Nothing is heard any more. */
  leave(): void {
    if (this.#term === undefined) this.ask({ kind: 'leave' });
    clearTimeout(this.#silence);
    clearInterval(this.#looking);
    this.#left.abort();
    for (const channel of [this.#channel, this.#own, ...this.#ofTabs.values()]) channel?.close();
  }

  #lead(): void {
    if (this.#left.signal.aborted || this.#term !== undefined) return;
    clearTimeout(this.#silence);
    clearInterval(this.#looking);
    this.#term = this.#heard = this.#id;
    this.#member.lead();
    this.tell({ kind: 'leads' });
  }

  #onMessage(message: OnChannel): void {
    if (this.#left.signal.aborted) return;
    if ('news' in message) this.#onNews(message.term, message.news);
    else if (this.#term === undefined) return;
    else if ('seeks' in message) this.#post({ term: this.#term, news: { kind: 'leads', to: [message.seeks] } });
    else if (message.term === this.#term) this.#welcome(message.attaches, message.request);
  }

  #onNews(term: string, news: News): void {
    if (this.#term !== undefined) return; // the last words of one that led before
    const isNew = news.kind === 'leads' && term !== this.#heard;
    if (isNew) this.#heard = term;
    if (term !== this.#heard) return;
    clearTimeout(this.#silence);
    this.#silence = undefined;
    this.#heardAt = performance.now();
    if (news.kind === 'leads' ? isNew : news.to?.includes(this.#id) !== false) this.#member.hear(news);
  }

  #welcome(tab: string, request: Request): void {
    if (!this.#ofTabs.has(tab)) {
      const channel = new this.#browser.BroadcastChannel(`${this.#name} ${tab}`);
      this.#ofTabs.set(tab, channel);
      channel.onmessage = ({ data }: MessageEvent<{ term: string; request: Request }>) => {
        if (!this.#left.signal.aborted && data.term === this.#term) this.#member.asked(tab, data.request);
      };
      void this.#watch(tab);
    }
    this.#member.asked(tab, request);
  }

  async #watch(tab: string): Promise<void> {
    await this.#browser.locks.request(`${this.#name} ${tab}`, { signal: this.#left.signal }, () => {}).catch(() => {});
    if (this.#left.signal.aborted) return;
    this.#ofTabs.get(tab)?.close();
    this.#ofTabs.delete(tab);
    this.#member.gone(tab);
  }

  #look(): void {
    if (this.#silence !== undefined || performance.now() - this.#heardAt < kLookMs) return;
    if (globalThis.document?.visibilityState !== 'hidden') this.#seek();
  }

  // Whoever leads says so at once; if not, it hangs.
  #seek(): void {
    this.#post({ seeks: this.#id });
    this.#silence = setTimeout(() => void this.#hold(`${this.#name} leader`, true).then(() => this.#lead(), () => {}), kHungMs);
  }

  #post(message: OnChannel): void {
    this.#channel?.postMessage(message);
  }

  // Resolves when this tab has the lock, which it holds until it leaves, or another one steals it.
  #hold(name: string, steal = false): Promise<void> {
    const { signal } = this.#left;
    return new Promise((resolve, reject) => {
      let isHeld = false;
      const held = this.#browser.locks.request(name, steal ? { steal } : { signal }, () => {
        isHeld = true;
        resolve();
        return new Promise<void>((release) => (signal.aborted ? release() : signal.addEventListener('abort', () => release(), { once: true })));
      });
      held.catch((error: unknown) => {
        reject(error);
        if (isHeld && !signal.aborted) this.#member.deposed();
      });
    });
  }
}
