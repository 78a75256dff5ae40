import type { IncomingMessage } from 'node:http';
import { tooSlow } from './problem.js';

export interface Pace {
  bytesPerSecond: number;
  lookEveryMs: number;
}

// Waits for `work`, which reads the body of `request`. Rejects with 408 as soon as the body comes more
// slowly than `pace`. The work goes on until the request is destroyed, behind the answer.
export function keepPace<T>(pace: Pace, request: IncomingMessage, work: Promise<T>): Promise<T> {
  const bytesLeast = (pace.bytesPerSecond * pace.lookEveryMs) / 1_000;
  let before = request.socket.bytesRead;
  let looking: NodeJS.Timeout | undefined;
  const slow = new Promise<never>((_, reject) => {
    looking = setInterval(() => {
      const came = request.socket.bytesRead - before;
      before += came;
      const weWait = !request.complete && !request.isPaused(); // else the disk is what is slow
      if (weWait && came < bytesLeast) reject(tooSlow(`Send at least ${pace.bytesPerSecond / 1024} kB a second`));
    }, pace.lookEveryMs);
  });
  return Promise.race([work, slow]).finally(() => clearInterval(looking));
}
