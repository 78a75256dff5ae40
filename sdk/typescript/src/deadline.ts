const kTimerMaxMs = 2 ** 31 - 1; // a longer one fires at once

/** Calls `onLate` once `ms` have passed; never, if that is longer than timers reach (24 days), or `Infinity`. */
export function deadlineIn(ms: number, onLate: () => void): ReturnType<typeof setTimeout> | undefined {
  return ms > kTimerMaxMs ? undefined : setTimeout(onLate, ms);
}
