/** Runs work, at most `max` at once; the rest waits, in its order. */
export function inTurns(max: number): (work: () => Promise<void>) => Promise<void> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < max) ++running;
    else await new Promise<void>((resolve) => waiting.push(resolve)); // its turn is handed over
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) --running;
      else next();
    }
  };
}
