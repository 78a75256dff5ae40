import type { Json } from './guards.js';
import { fieldsOf, isObject, optionalNumber, optionalString } from './guards.js';
import type { Covers } from './topic.js';

/** What every event says about itself; the words are those of CloudEvents 1.0. */
export interface EventAttributes<Type extends string = string> {
  /** Unique within `source`. */
  readonly id: string;
  readonly type: Type;
  /** Who says so: `service:api`, `user:42`, or a URI. */
  readonly source: string;
  /** What it is about: `photo:123`. */
  readonly subject?: string;
  /** RFC 3339. */
  readonly time: string;
  /** Its place in the log. Opaque; good for `since`. */
  readonly offset: string;
  readonly traceparent?: string;
}

/**
 * An event as a handler gets it: the attributes, `data`, and data's own fields at top level too.
 * Where a field has an attribute's name, the attribute wins and the field is in `data` only.
 */
export type BusEvent<Type extends string, Data> = EventAttributes<Type> & { readonly data: Data } & Readonly<
    Omit<Data, keyof EventAttributes | 'data'>
  >;

/**
 * The event types of a platform that has not declared its own. `any` on purpose: `event.photoId` must
 * compile for who has not written a map from types to data yet.
 */
export interface UntypedEvents {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [type: string]: any;
}

/** The union of all events of a map; `switch (event.type)` narrows it. */
export type AnyEvent<Events extends object> = {
  [Type in keyof Events & string]: BusEvent<Type, Events[Type]>;
}[keyof Events & string];

/** The union of the events that a topic can bring: for a subject all, for a type pattern those that it covers. */
export type EventOf<Events extends object, Topic extends string> = string extends Topic
  ? AnyEvent<Events>
  : Topic extends `${string}:${string}`
    ? AnyEvent<Events>
    : string extends keyof Events
      ? AnyEvent<Events>
      : {
          [Type in keyof Events & string]: Covers<Topic, Type> extends true ? BusEvent<Type, Events[Type]> : never;
        }[keyof Events & string];

/** What a topic with a colon names: `photo:123`. */
export type Subject = `${string}:${string}`;

/** `Topic`; or, where no type of the map is covered, the types that there are, for the checker to name. */
export type KnownTopic<Events extends object, Topic extends string> = [EventOf<Events, Topic>] extends [never] ? keyof Events & string : Topic;

/** One event to publish. Without `id` one is made. */
export interface EventToPublish<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
  readonly id?: string | undefined;
  readonly subject?: string | undefined;
  readonly source?: string | undefined;
  readonly time?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** What the server says of an event that is stored. */
export interface Published {
  readonly id: string;
  /** Its place in the log. */
  readonly offset: string;
  /** It had been stored before, by an earlier try. */
  readonly duplicate: boolean;
  /** It is for the owner of a subject that nobody owns (yet): no owner got it. */
  readonly unowned?: boolean;
}

/** What ends the arguments of a group's delivery. */
export interface Delivery {
  readonly delivery: string | number;
  readonly group: string;
  readonly topic: string;
  readonly attempt: number;
}

/** An event from the wire, and what its last argument said: a place, a group's delivery, or that it is of a history. */
export interface Received {
  readonly event: AnyEvent<UntypedEvents>;
  readonly place: string | undefined;
  readonly delivery: Delivery | undefined;
  /** The topic whose history it is; undefined: it is none, or the server does not say. */
  readonly historyOf: string | undefined;
}

/** `[data, meta, last]` as the server emits it, or undefined if it is something else. */
export function readEvent(args: readonly unknown[]): Received | undefined {
  const [data, meta] = args;
  if (args.length < 3 || !isObject(meta)) return undefined;
  const { id, type, source, subject, time, offset, traceparent } = meta;
  if (typeof id !== 'string' || typeof type !== 'string' || typeof source !== 'string') return undefined;
  const event: Json & EventAttributes = {
    ...fieldsOf(data),
    id,
    type,
    source,
    subject: subject as string, // if it is one
    traceparent: traceparent as string,
    time: optionalString(time) ?? '',
    offset: optionalString(offset) ?? '',
  };
  // An attribute that is absent wins too: data must not be able to name the event's subject.
  for (const name of ['subject', 'traceparent']) if (typeof event[name] !== 'string') delete event[name];
  const last = args.at(-1);
  const delivery = readDelivery(last);
  return {
    event: { ...event, data },
    place: optionalString(last),
    delivery,
    historyOf: delivery === undefined && isObject(last) ? optionalString(last.topic) : undefined,
  };
}

/** The key by which repeats are known. A source has no line break, so the two cannot run together. */
export function identityOf(event: Pick<EventAttributes, 'source' | 'id'>): string {
  return `${event.source}\n${event.id}`;
}

function readDelivery(last: unknown): Delivery | undefined {
  if (!isObject(last)) return undefined;
  const { delivery, group, topic } = last;
  if (typeof delivery !== 'string' && typeof delivery !== 'number') return undefined;
  if (typeof group !== 'string' || typeof topic !== 'string') return undefined;
  return { delivery, group, topic, attempt: optionalNumber(last.attempt) ?? 1 };
}
