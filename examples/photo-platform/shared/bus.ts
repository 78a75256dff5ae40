import { createEventBus, EventBusError } from '@shared-infra/event-bus';
import type { PlatformEvents } from './events.js';
import type { BusTokens } from './tokens.js';

export type PlatformBus = ReturnType<typeof connectService>;

// A service's place on the bus. The token is made anew at each connect, so none is ever stale.
export function connectService(name: string, url: string, tokens: BusTokens) {
  return createEventBus<PlatformEvents>({ url, token: () => tokens.forService(name) });
}

// The bus will never take it, however often it is sent: the event is wrong, or we may not publish it.
// `closed` is said by our own client when the process ends, and the next process sends it again.
export function isRefused(error: unknown): error is EventBusError {
  return error instanceof EventBusError && error.retry === 'never' && error.code !== 'closed';
}
