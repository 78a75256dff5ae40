import type { SocketOptions as EngineOptions } from 'engine.io-client';

import { EventBusError } from './errors.js';
import type { Logger } from './logger.js';
import { consoleLogger, harmless, silentLogger } from './logger.js';
import { environment } from './runtime.js';

export const kTimeoutMs = 30_000;

/** Why the last token is not good enough, for a function that would rather keep one. */
export interface TokenContext {
  /** The code with which the server refused or ended the last one. */
  readonly refused?: string;
  /** The last one ends in so long, and the connection is to go on with a new one. */
  readonly expiresInMs?: number;
}

/** `null`, as `throw new SignedOut()`: nobody is signed in. What else it throws passes: it is asked again. */
export type TokenFunction = (context: TokenContext) => string | null | Promise<string | null>;
export type TokenSource = string | TokenFunction;

export interface EventBusOptions {
  /**
   * The address of the bus: `https://events.photo-platform.com`. A path before `/socket.io/` may be
   * part of it. Default: `EVENT_BUS_URL` in Node, the page's own origin in a browser.
   */
  readonly url?: string | undefined;
  /**
   * The JWT, or a function that gives one and is asked at every connect, and before the last one ends. Default:
   * `EVENT_BUS_TOKEN` in Node; in a browser none, then the cookie signs in.
   */
  readonly token?: TokenSource | undefined;
  /**
   * How long a publish, and the first answer to a subscribe, may take. Default 30 000. A publish is sent again only for as
   * long as the server knows its id (`dedupe_window`, 10 minutes): a longer time is refused, `Infinity` ends with that.
   */
  readonly timeoutMs?: number | undefined;
  /** How many events may wait for an answer, while offline too. Past it, `too_many`. Default 1 000. */
  readonly queueEventsMax?: number | undefined;
  /** How many bytes of them. Default 8 MiB. */
  readonly queueBytesMax?: number | undefined;
  /** How many events each handler remembers to know repeats. Default 1 000. */
  readonly repeatsMax?: number | undefined;
  /**
   * The name under which a browser tab keeps its place over a reload; `false` keeps none. Default: the url. The place of
   * one user is not given to another, whatever the name.
   */
  readonly resumeKey?: string | false | undefined;
  /**
   * `true`: all tabs of one user share one connection; each still hears what it would hear alone. Whose a tab is says the
   * `sub` of its token. Without one to read (a cookie signs in) name the user: `{ name: userId }`; a tab whose user is not
   * known has a connection of its own, as every tab has where the browser has no Web Locks. Default: false.
   */
  readonly shareTabs?: boolean | { readonly name: string } | undefined;
  /** `false`: nothing connects but `connect()` and `ready()`. Default: the first call that needs it. */
  readonly autoConnect?: boolean | undefined;
  /** Where to say what no listener hears; `false`: nowhere. Default: `console`, without `debug`. */
  readonly logger?: Logger | false | undefined;
  /** How it connects: what goes on to engine.io-client (`transports`, `ca`, `extraHeaders`, …), and when it tries again. */
  readonly socketOptions?: ConnectOptions | undefined;
}

/** The options of engine.io-client, and three of our own, in ms. */
export interface ConnectOptions extends EngineOptions {
  /** How long a try may take; and then the answer to CONNECT. Default 20 000. */
  readonly timeout?: number | undefined;
  /** The first pause before another try; it grows until the client has caught up. Default 500. */
  readonly reconnectionDelay?: number | undefined;
  /** The longest one. Default 10 000. */
  readonly reconnectionDelayMax?: number | undefined;
}

/** The options with every default filled in. */
export interface Settings {
  /** As messages name it. */
  readonly address: string;
  readonly origin: string;
  readonly path: string;
  readonly token: TokenSource | undefined;
  readonly timeoutMs: number;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  readonly repeatsMax: number;
  readonly shareTabs: { readonly name: string | undefined } | undefined;
  readonly autoConnect: boolean;
  readonly logger: Logger;
  readonly socketOptions: ConnectOptions;
}

/** Throws `not_configured` when there is no url to be found. */
export function settle(options: EventBusOptions): Settings {
  const url = urlOf(options);
  if (url === undefined) throw new EventBusError('not_configured', 'The address is missing: set EVENT_BUS_URL, or give createEventBus({ url }).');
  const { origin, pathname } = parse(url);
  const base = pathname.replace(/\/+$/, '');
  return {
    address: `${origin}${base}`,
    origin,
    path: `${base}/socket.io/`,
    token: options.token ?? environment('EVENT_BUS_TOKEN'),
    timeoutMs: options.timeoutMs ?? kTimeoutMs,
    queueEventsMax: options.queueEventsMax ?? 1_000,
    queueBytesMax: options.queueBytesMax ?? 8 * 1024 * 1024,
    repeatsMax: options.repeatsMax ?? 1_000,
    shareTabs: options.shareTabs === true ? { name: undefined } : options.shareTabs || undefined,
    autoConnect: options.autoConnect ?? true,
    logger: loggerOf(options.logger),
    socketOptions: options.socketOptions ?? {},
  };
}

/** The name under which a browser tab keeps the client's place; undefined: it keeps none. */
export function resumeKeyOf(options: EventBusOptions): string | undefined {
  return options.resumeKey === false ? undefined : (options.resumeKey ?? urlOf(options));
}

function urlOf({ url }: EventBusOptions): string | undefined {
  const origin = globalThis.location?.origin;
  return url ?? environment('EVENT_BUS_URL') ?? (origin?.startsWith('http') ? origin : undefined);
}

/** The log that the option asks for. */
export function loggerOf(option: EventBusOptions['logger']): Logger {
  if (option === false) return silentLogger;
  return option ? harmless(option) : consoleLogger;
}

function parse(url: string): URL {
  const refuse = (why: string) => new EventBusError('not_configured', `${JSON.stringify(url)} ${why}`);
  let parsed: URL | undefined;
  try {
    parsed = new URL(new URL(url).href.replace(/^ws/, 'http')); // as good; engine.io-client chooses the transport itself
  } catch {
    // It is none.
  }
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) throw refuse('is not an address: write it as https://host:port.');
  if (parsed.protocol === 'http:' && globalThis.location?.protocol === 'https:' && !kLoopback.test(parsed.hostname)) {
    throw refuse('is blocked on a page of https: give the bus TLS, and write https.');
  }
  if (parsed.search !== '' || parsed.username !== '') throw refuse('has a query or a user name: give the token as `token`.');
  return parsed;
}

// What browsers let a page that came by https reach without TLS.
const kLoopback = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
