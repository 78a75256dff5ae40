import { useEffect, useState } from 'preact/hooks';
import type { SessionView, UserView } from '../../../shared/views.js';
import { listUsers, messageOf, signIn } from '../api.js';
import { initial } from '../format.js';
import { Mark } from './mark.js';

interface Props {
  isInvited: boolean;
  hasEnded: boolean; // a session that was open until now
  onSession: (session: SessionView) => void;
}

export function SignIn({ isInvited, hasEnded, onSession }: Props) {
  const [users, setUsers] = useState<UserView[]>([]);
  const [error, setError] = useState<string>();
  useEffect(() => {
    listUsers().then(setUsers, (failure: unknown) => setError(messageOf(failure)));
  }, []);
  const choose = (user: string): void => {
    signIn(user).then((session) => onSession(session), (failure: unknown) => setError(messageOf(failure)));
  };

  return (
    <main class="sign-in">
      <Mark />
      <h1>Darkroom</h1>
      <p class="lead">
        {hasEnded
          ? 'Your session has ended. Sign in to go on.'
          : isInvited
            ? 'Somebody wants to show you a photo. Who are you?'
            : 'Drop photos, watch them develop, on every device at once.'}
      </p>
      <ul class="users" aria-label="Sign in as">
        {users.map(({ id, name, admin }) => (
          <li key={id}>
            <button type="button" onClick={() => choose(id)} data-user={id}>
              <span class={`avatar avatar-${id}`} aria-hidden="true">
                {initial(name)}
              </span>
              <span>
                {name}
                {admin && <small>admin</small>}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      <p class="muted">
        A demo: a name is enough. Each window can be somebody else, or the same person on a second device.
      </p>
    </main>
  );
}
