// The snippets of README and docs, as they stand, through a drop, a restart and a session that is forgotten.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { EventBusOptions } from '@shared-infra/event-bus';
import { io } from 'socket.io-client';
import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { sdk } from './support/clients.js';
import { Relay } from './support/relay.js';
import { Seen } from './support/seen.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kHurry = { reconnectionDelay: 20, reconnectionDelayMax: 100, forceNew: true };

interface Snippet {
  readonly page: string;
  /** Its language, and a text that no other block of the page holds. */
  readonly block: readonly ['js' | 'ts', string];
  readonly token: string;
  /** The function of the snippet that shows an event, and where the number stands in what it is called with. */
  readonly shown: readonly [name: string, numberOf: (...args: never[]) => unknown];
  readonly event: (n: string) => readonly [type: string, data: object];
}

const kAlice = userToken('alice');
const kCompleted = (n: string) => ['photo.processing.completed', { photoId: '123', thumbnails: [n] }] as const;
const kThumbnail = (_photoId: string, thumbnails: string[]) => thumbnails[0];
const kUploaded = (n: string) => ['photo.uploaded', { photoId: n, userId: 'alice', filename: 'f' }] as const;

const views: Snippet[] = [
  { page: 'README.md', block: ['js', 'io('], token: kAlice, shown: ['showThumbnails', kThumbnail], event: kCompleted },
  { page: 'docs/sdk.md', block: ['js', 'io('], token: kAlice, shown: ['showThumbnails', kThumbnail], event: kCompleted },
  { page: 'docs/quick-start.md', block: ['js', 'io('], token: kAlice, shown: ['console.log', (text: string) => text], event: (n) => ['greeting.sent', { to: 'alice', number: n, text: n }] },
  { page: 'docs/sdk.md', block: ['ts', 'createEventBus('], token: kAlice, shown: ['showThumbnails', (thumbnails: string[]) => thumbnails[0]], event: kCompleted },
];
const groups: Snippet[] = [
  { page: 'README.md', block: ['ts', 'eventBus.subscribe('], token: serviceToken('worker'), shown: ['startPhotoProcessing', (photoId: string) => photoId], event: kUploaded },
  { page: 'docs/sdk.md', block: ['ts', 'eventBus.subscribe('], token: serviceToken('worker'), shown: ['startPhotoProcessing', (photoId: string) => photoId], event: kUploaded },
  { page: 'sdk/typescript/README.md', block: ['ts', 'eventBus.subscribe('], token: serviceToken('worker'), shown: ['startPhotoProcessing', (photoId: string) => photoId], event: kUploaded },
];

function codeOf({ page, block: [language, mark] }: Snippet): string {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code]) => code!);
  const found = blocks.filter((code) => code.includes(mark));
  if (found.length === 0) throw new Error(`${page} has no ${language} block with ${mark}`);
  return found[0]!.replace(/^import .*$/gm, '');
}

/** Runs it against `url` and resolves when it gets events; what it shows is added to `shown`. */
async function run(snippet: Snippet, url: string, server: BusServer, shown: Seen<unknown>): Promise<void> {
  const [name, numberOf] = snippet.shown;
  const ready = new Seen<unknown>();
  const show = (...args: unknown[]) => shown.add(numberOf(...(args as never[])));
  const client = (options: EventBusOptions = {}) => {
    const bus = sdk(server, snippet.token, { ...options, url, token: snippet.token, socketOptions: kHurry });
    const subscribe = bus.subscribe.bind(bus);
    return Object.assign(bus, { subscribe: (...args: Parameters<typeof subscribe>) => subscribe(...args).then((watch) => (ready.add(watch), watch)) });
  };
  const scope: Record<string, unknown> = {
    io: (_url: string, options: object) => {
      const socket = io(url, { ...options, ...kHurry });
      afterwards(() => socket.disconnect());
      return socket.once('connect', () => ready.add(socket));
    },
    url,
    token: snippet.token,
    sessionStorage: {},
    createEventBus: client,
    eventBus: client(),
    process: { on: () => {} },
    console: { log: name === 'console.log' ? show : () => {} },
    addPhoto: () => {},
    showConnection: () => {},
    reloadPhotos: () => {},
    giveUp: () => {},
    ...(name !== 'console.log' && { [name]: show }),
  };
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  await (new AsyncFunction(...Object.keys(scope), codeOf(snippet))(...Object.values(scope)) as unknown as Promise<void>);
  await ready.atLeast(1);
}

/** Publishes the events "1" to "6" around every break; `missed` is called before the way is open again. */
async function live(server: BusServer, relay: Relay, shown: Seen<unknown>, event: Snippet['event']): Promise<void> {
  const api = sdk(server, serviceToken('api'));
  const publish = (n: number) => api.publish(...(event(`n${n}`) as [string, object]));
  const until = (n: number) => shown.until((all) => all.includes(`n${n}`));
  await publish(1);
  await until(1);

  relay.cut(); // a drop
  await publish(2);
  relay.reopen();
  await until(2);

  relay.cut(); // a restart
  await publish(3);
  await server.kill();
  await server.up();
  await publish(4);
  relay.reopen();
  await until(4);

  relay.cut(); // a session that is forgotten
  await publish(5);
  await server.kill();
  rmSync(join(server.data, 'sessions'), { recursive: true });
  await server.up();
  relay.reopen();
  await until(5);
  await publish(6);
  await until(6);
}

test.each(views.map((snippet) => [snippet.page, snippet.block.join(' with '), snippet] as const))('the page of %s (%s) shows each event once, in order', async (_page, _block, snippet) => {
  const server = await BusServer.start();
  const relay = await Relay.to(server.url);
  await sdk(server, serviceToken('api')).publish('photo.uploaded', { photoId: '123', userId: 'alice', filename: 'f' });
  const shown = new Seen<unknown>();

  await run(snippet, relay.url, server, shown);
  await live(server, relay, shown, snippet.event);

  expect(shown.things).toEqual(['n1', 'n2', 'n3', 'n4', 'n5', 'n6']);
});

test.each(groups.map((snippet) => [snippet.page, snippet] as const))('the service of %s works on each event', async (_page, snippet) => {
  const server = await BusServer.start();
  const relay = await Relay.to(server.url);
  const shown = new Seen<unknown>();

  await run(snippet, relay.url, server, shown);
  await live(server, relay, shown, snippet.event);

  expect(new Set(shown.things)).toEqual(new Set([...shown.things.filter((n) => n === '123'), 'n1', 'n2', 'n3', 'n4', 'n5', 'n6']));
});
