// What the log holds, as a service reads it.
import type { BusServer } from '../server.ts';
import { service, tokenOf } from '../tokens.ts';

const kTopics = ['thing.**', 'note.**', 'news.**', 'job.**', 'fence.**'];
const kSilentMs = 20_000;

export interface Entry {
  readonly id: string;
  readonly type: string;
  readonly subject: string | undefined;
  readonly offset: string;
  readonly order: number;
  readonly data: { readonly user?: string; readonly n?: number };
}

/** Where an offset lies; the server of a run is started once, so positions alone tell. */
export const orderOf = (offset: string): number => Number(offset.slice(offset.lastIndexOf('.') + 1));

export class Log {
  readonly entries: Entry[] = [];
  readonly byId = new Map<string, Entry[]>();
  #end: string;

  /** `start`: the offset of an event that lies before all that is of interest. */
  constructor(start: string) {
    this.#end = start;
  }

  /** Reads on up to the event `last`. Throws if that does not come. */
  async readOn(server: BusServer, last: string): Promise<void> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), kSilentMs);
    try {
      const query = kTopics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&');
      const headers = { authorization: `Bearer ${tokenOf(service('auditor'))}` };
      const response = await fetch(`${server.url}/v1/stream?${query}&since=${this.#end}`, { headers, signal: silence.signal });
      if (response.status !== 200) throw new Error(`the log could not be read: ${response.status} ${await response.text()}`);
      let rest = '';
      const decoder = new TextDecoder();
      for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
        timer.refresh();
        const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
        rest = blocks.pop()!;
        for (const block of blocks) if (this.#add(block) === last) return;
      }
      throw new Error(`the stream of the log ended before ${last}`);
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  /** The entries behind a position. */
  behind(order: number): readonly Entry[] {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle]!.order <= order) low = middle + 1;
      else high = middle;
    }
    return this.entries.slice(low);
  }

  #add(block: string): string | undefined {
    const data = /^data: (.*)$/m.exec(block);
    if (data === null) return undefined;
    const { data: body, meta } = JSON.parse(data[1]!) as { data: Entry['data']; meta?: Omit<Entry, 'order' | 'data'> };
    if (meta === undefined) return undefined;
    const entry = { id: meta.id, type: meta.type, subject: meta.subject, offset: meta.offset, order: orderOf(meta.offset), data: { user: body.user, n: body.n } };
    this.entries.push(entry);
    this.byId.set(entry.id, [...(this.byId.get(entry.id) ?? []), entry]);
    this.#end = entry.offset;
    return entry.id;
  }
}
