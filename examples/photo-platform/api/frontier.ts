const TIMEOUT_MS = 2_000;

// How far the bus's log has come: every answer of its HTTP interface says it. Undefined while the
// bus is away; a page then begins without an offset and asks again when it is back.
export async function frontierOf(busUrl: string): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL('/healthz', busUrl), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await answer.arrayBuffer();
    return answer.headers.get('event-bus-offset') ?? undefined;
  } catch {
    return undefined;
  }
}
