export type { EventsToPublish, Handler, PublishOptions } from './client.js';
export { createEventBus, EventBus, eventBus } from './client.js';
export type { EventBusErrorCode, EventBusErrorOptions, Retry } from './errors.js';
export { errorCodes, EventBusError, SignedOut } from './errors.js';
export type { AnyEvent, BusEvent, EventAttributes, EventOf, EventToPublish, Published, UntypedEvents } from './event.js';
export type { EventBusOptions, TokenContext, TokenFunction, TokenSource } from './options.js';
export type { PublishLimits } from './publisher.js';
export type { ConnectionState, Gap } from './state.js';
export type { DeliveryContext, SubscribeOptions, Subscription } from './subscriptions.js';
