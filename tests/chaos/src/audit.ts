// The log itself, as a service reads it: what was acknowledged is there, once, where its publisher was told.
import type { Fact, Ledger } from './model/ledger.ts';
import type { Violation } from './model/trace.ts';
import { kTypes } from './catalog.ts';
import { now } from './moments.ts';
import type { BusServer } from './server.ts';
import { service, tokenOf } from './tokens.ts';

const kTopics = ['photo.**', 'note.**', 'job.**', 'fence.**'];
const kSilentMs = 20_000;

/** Reads the log from behind `since` up to the event `last`. */
export async function audit(server: BusServer, ledger: Ledger, since: Fact, last: Fact): Promise<Violation[]> {
  const seen: { id: string; offset: string }[] = [];
  const about = { who: 'the log', at: now() };
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), kSilentMs);
  try {
    const query = kTopics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&');
    const headers = { authorization: `Bearer ${tokenOf(service('worker'))}` };
    const response = await fetch(`${server.url}/v1/stream?${query}&since=${since.offset}`, { headers, signal: silence.signal });
    if (response.status !== 200) return [{ ...about, kind: 'audit', text: `the log could not be read: ${response.status} ${await response.text()}` }];
    await read(response, seen, last.id, () => timer.refresh());
  } catch (error) {
    return [{ ...about, kind: 'audit', text: `of the log ${seen.length} events came, the last one was not among them, and then nothing for ${kSilentMs} ms (${(error as Error).message})` }];
  } finally {
    clearTimeout(timer);
  }
  return [...compare(seen, ledger, since, last)].map((violation) => ({ ...about, ...violation }));
}

async function read(response: Response, seen: { id: string; offset: string }[], last: string, onBytes: () => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    onBytes();
    const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block);
      const { meta } = (data === null ? {} : JSON.parse(data[1]!)) as { meta?: { id: string; offset: string } };
      if (meta === undefined) continue;
      seen.push({ id: meta.id, offset: meta.offset });
      if (meta.id === last) return;
    }
  }
}

function* compare(seen: readonly { id: string; offset: string }[], ledger: Ledger, since: Fact, last: Fact): Generator<Omit<Violation, 'who' | 'at'>> {
  const offsets = new Map<string, string[]>();
  for (const { id, offset } of seen) offsets.set(id, [...(offsets.get(id) ?? []), offset]);
  for (const [id, list] of offsets) {
    const fact = ledger.facts.get(id);
    if (fact === undefined || fact.isErased) yield { kind: 'unknown event', id, text: `${id} is in the log at ${list.join(', ')}, and should not be` };
    else if (!fact.isDoubtful && (list.length > 1 || ledger.orderOf(list[0]!) !== fact.order)) yield { kind: 'two offsets', id, text: `${id} is in the log at ${list.join(', ')}, and its publisher was told ${fact.offset}` };
  }
  for (const fact of ledger.log) {
    const isDue = kTypes[fact.type]!.transient !== true && fact.type !== 'brief.lived' && fact.order! > since.order! && fact.order! < last.order!;
    if (isDue && !offsets.has(fact.id)) yield { kind: 'not in the log', id: fact.id, text: `${fact.id} was acknowledged with ${fact.offset}, and is not in the log` };
  }
}
