import { useEffect, useState } from 'preact/hooks';
import type { SessionView } from '../../../shared/views.js';
import { messageOf } from '../api.js';
import { Desk } from '../desk.js';
import { savedSession, saveSession } from '../session.js';
import { readWatchLink, type WatchLink } from '../watch-link.js';
import { DeskPage } from './desk-page.js';
import { SignIn } from './sign-in.js';

export function App() {
  const [session, setSession] = useState(savedSession);
  const [hasEnded, setEnded] = useState(false); // the last session, by itself
  const link = useWatchLink();
  const { desk, error } = useDesk(session, () => choose(undefined, true));
  const choose = (next: SessionView | undefined, ended = false): void => {
    saveSession(next);
    setSession(next);
    setEnded(ended);
  };

  if (!session) return <SignIn isInvited={link !== undefined} hasEnded={hasEnded} onSession={choose} />;
  if (desk) return <DeskPage key={session.session} desk={desk} link={link} onSignOut={() => choose(undefined)} />;
  return (
    <main class="sign-in">
      {error ? (
        <p class="error" role="alert">
          {error}
        </p>
      ) : (
        <p class="muted">Opening…</p>
      )}
    </main>
  );
}

// A session's desk: opened with it, closed with it.
function useDesk(session: SessionView | undefined, onEnded: () => void): { desk?: Desk; error?: string } {
  const [state, setState] = useState<{ desk?: Desk; error?: string }>({});
  useEffect(() => {
    if (!session) return setState({});
    let opened: Desk | undefined;
    let hasLeft = false;
    const ended = (): void => void (hasLeft || onEnded()); // a late answer ends no other session
    Desk.open(session, ended).then(
      (desk) => {
        opened = desk;
        if (hasLeft) void desk.close();
        else setState({ desk });
      },
      (failure: unknown) => {
        if (!hasLeft) setState({ error: messageOf(failure) });
      },
    );
    return () => {
      hasLeft = true;
      setState({});
      void opened?.close();
    };
  }, [session]);
  return state;
}

function useWatchLink(): WatchLink | undefined {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = (): void => setHash(location.hash);
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return readWatchLink(hash);
}
