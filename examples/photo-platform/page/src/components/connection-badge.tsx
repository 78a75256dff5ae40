import { useEffect, useState } from 'preact/hooks';
import type { ConnectionState } from '@shared-infra/event-bus';

const CAUGHT_UP_SHOWN_MS = 8_000;

interface Look {
  tone: 'live' | 'busy' | 'down';
  text: string;
}

// Says what the connection is really doing, and what it did after a break.
export function ConnectionBadge({ state }: { state: ConnectionState }) {
  const caughtUp = useRecently(state);
  const { tone, text } = lookOf(state, caughtUp);
  return (
    <p
      class={`badge badge-${tone}`}
      role="status"
      data-status={state.status}
      data-missed={state.missed}
      title={state.error?.message}
    >
      <span class="badge-dot" aria-hidden="true" />
      {text}
    </p>
  );
}

function lookOf({ status, missed, error }: ConnectionState, caughtUp: boolean): Look {
  switch (status) {
    case 'live':
      return { tone: 'live', text: caughtUp && missed !== undefined ? `Live · ${caughtUpOn(missed)}` : 'Live' };
    case 'catching-up':
      return { tone: 'busy', text: 'Catching up…' };
    case 'reconnecting':
      return { tone: 'busy', text: 'Reconnecting…' };
    case 'closed':
      return { tone: 'down', text: error ? 'Not connected' : 'Closed' };
    default:
      return { tone: 'busy', text: 'Connecting…' };
  }
}

function caughtUpOn(missed: number): string {
  if (missed === 0) return 'nothing missed';
  return `caught up after ${missed === 1 ? '1 event' : `${missed} events`}`;
}

// True for a while after the state has changed.
function useRecently(state: ConnectionState): boolean {
  const [old, setOld] = useState<ConnectionState>();
  useEffect(() => {
    const timer = setTimeout(() => setOld(state), CAUGHT_UP_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);
  return old !== state;
}
