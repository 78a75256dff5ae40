import type { SessionView } from '../../shared/views.js';

const KEY = 'darkroom.session';

// Who is signed in is a matter of the tab: two windows side by side can be two people.
export function savedSession(): SessionView | undefined {
  try {
    const text = sessionStorage.getItem(KEY);
    return text ? (JSON.parse(text) as SessionView) : undefined;
  } catch {
    return undefined;
  }
}

export function saveSession(session: SessionView | undefined): void {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
}
