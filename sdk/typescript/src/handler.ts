import { EventBusError, messageOf } from './errors.js';
import type { AnyEvent, UntypedEvents } from './event.js';

/** How a group got to give an event to this handler; undefined for what is not a group's. */
export interface DeliveryContext {
  readonly group: string;
  /** 1 for the first time that the event is given to anybody. */
  readonly attempt: number;
}

export type UntypedHandler = (event: AnyEvent<UntypedEvents>, delivery: DeliveryContext | undefined) => unknown;

/** Whatever a handler does, it becomes a promise. */
export async function call<Args extends readonly unknown[]>(handler: (...args: Args) => unknown, ...args: Args): Promise<void> {
  await handler(...args);
}

/** `where`: the topic, or the method of the client, that the handler was given for. */
export function handlerFailed(where: string, thrown: unknown): EventBusError {
  return new EventBusError('internal', `A handler of ${where} failed: ${messageOf(thrown)}`, { cause: thrown });
}

/** The same of a handler of events. */
export function topicHandlerFailed(topic: string, thrown: unknown): EventBusError {
  return handlerFailed(topic, thrown).about({ topic });
}
