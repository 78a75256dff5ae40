import type { Connection, ConnectionUser } from './connection.js';
import { SocketConnection } from './connection.js';
import { LateConnection } from './late-connection.js';
import type { Settings } from './options.js';

/** The connection that the settings ask for. The code for shared ones is loaded by who uses it alone. */
export function connectionFor(settings: Settings, user: ConnectionUser): Connection {
  if (settings.shareTabs === undefined) return connect(settings, user);
  return new LateConnection(() =>
    import('./tabs/shared-connection.js').then(
      ({ shareConnection }) => shareConnection(settings, user, connect),
      () => connect(settings, user), // its file is not there (any more)
    ),
  );
}

function connect(settings: Settings, user: ConnectionUser): SocketConnection {
  return new SocketConnection(settings, user);
}
