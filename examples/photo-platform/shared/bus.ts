import { createEventBus } from '@shared-infra/event-bus';
import type { PlatformEvents } from './events.js';
import type { BusTokens } from './tokens.js';

export type PlatformBus = ReturnType<typeof connectService>;

// A service's place on the bus. The token is made anew at each connect, so none is ever stale.
export function connectService(name: string, url: string, tokens: BusTokens) {
  return createEventBus<PlatformEvents>({ url, token: () => tokens.forService(name) });
}
