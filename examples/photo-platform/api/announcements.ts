import type { Announcement } from '../shared/events.js';
import { readJson, writeJson } from '../shared/files.js';

const SHOWN_FOR_MS = 60 * 60 * 1000;

// The last announcement, for who opens the page after it was made.
export class Announcements {
  private constructor(
    readonly file: string,
    private last: Announcement | undefined,
  ) {}

  static async open(file: string): Promise<Announcements> {
    return new Announcements(file, (await readJson<Announcement | null>(file)) ?? undefined);
  }

  current(now = Date.now()): Announcement | undefined {
    return this.last && now - Date.parse(this.last.at) < SHOWN_FOR_MS ? this.last : undefined;
  }

  // Kept before it is told, so that who asks after the telling gets it; taken back if that fails.
  async make(announcement: Announcement, tell: () => Promise<unknown>): Promise<void> {
    const before = this.last;
    await this.#save(announcement);
    try {
      await tell();
    } catch (error) {
      await this.#save(before);
      throw error;
    }
  }

  async #save(announcement: Announcement | undefined): Promise<void> {
    await writeJson(this.file, announcement ?? null);
    this.last = announcement;
  }
}
