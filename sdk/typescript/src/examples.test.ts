import { readFileSync } from 'node:fs';

import ts from 'typescript';
import { expect, test, vi } from 'vitest';

import type { ScriptedBus } from '../test/scripted-bus.js';
import { afterwards, clientOf, startBus } from '../test/support.js';
import * as sdk from './index.js';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

const kCalled = ['show', 'showThumbnails', 'showError', 'showNotYours', 'showConnection', 'startPhotoProcessing', 'giveUp', 'addPhoto', 'reloadPhotos', 'update', 'askForToken'];

interface Example {
  readonly from: string;
  readonly code: string;
}

// Every `@example` of the sources, and every TypeScript block of the README and of docs/sdk.md.
function examples(): Example[] {
  const found: Example[] = [];
  for (const file of ['client.ts', 'errors.ts']) {
    for (const [, block] of read(`./${file}`).matchAll(/@example\s*\n\s*\* ```ts\n([\s\S]*?)\s*\* ```/g)) {
      found.push({ from: file, code: block!.replace(/^\s*\* ?/gm, '') });
    }
  }
  for (const page of ['README.md', '../../docs/sdk.md']) {
    for (const [, block] of read(`../${page}`).matchAll(/```ts\n([\s\S]*?)```/g)) found.push({ from: page, code: block! });
  }
  return found;
}

// What the examples take for granted around them.
function surroundings(bus: ScriptedBus) {
  const client = clientOf(bus);
  return {
    ...sdk,
    eventBus: client,
    bus: client,
    createEventBus: () => client,
    process: { on: () => {} },
    badge: { textContent: '' },
    log: console,
    fetch: async () => Response.json({ photo: {}, eventBusOffset: '1.1' }),
    ...Object.fromEntries(kCalled.map((name) => [name, vi.fn()])),
  };
}

async function run({ code }: Example, scope: Record<string, unknown>): Promise<void> {
  const body = code.replace(/^import .*$/gm, '');
  const { outputText } = ts.transpileModule(body, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } });
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  await new AsyncFunction(...Object.keys(scope), `{${outputText}}`)(...Object.values(scope));
}

const all = examples();

test('there are examples of every public verb', () => {
  const text = all.map(({ code }) => code).join('\n');

  for (const verb of ['publish(', 'publish([', 'subscribe(', 'unsubscribe(', '.on(', 'events(', 'connect(', 'ready(', 'disconnect(', 'reconnect(', 'onState(', 'onGap(', 'onError(', 'stats(', 'close(', 'createEventBus(', 'EventBusError']) {
    expect(text).toContain(verb);
  }
});

test.each(all.map((example, index) => [`${index + 1}, ${example.from}: ${example.code.trim().split('\n')[0]}`, example] as const))('example %s', async (_name, example) => {
  const bus = await startBus();
  const last = setInterval(() => bus.publish({ type: 'photo.deleted', subject: 'photo:123', data: {} }), 20); // loops end with it
  afterwards(() => clearInterval(last));

  await run(example, surroundings(bus));
});

test('the first example of the README does what it says', async () => {
  const bus = await startBus();
  const scope = surroundings(bus);
  const example = all.find(({ from }) => from === 'README.md')!;

  await run(example, scope);
  bus.publish({ type: 'photo.uploaded', data: { photoId: '7' } });

  await vi.waitFor(() => expect((scope as Record<string, unknown>).startPhotoProcessing).toHaveBeenCalledWith('7'));
});

const withToken = all.filter(({ code }) => code.includes('token: async'));

test('there are examples of a token function on every page', () => {
  expect(withToken.map(({ from }) => from)).toEqual(['client.ts', 'README.md', '../../docs/sdk.md']);
});

test.each(withToken)('the token function in $from gives the token, and no error page in its place', async (example) => {
  const bus = await startBus();
  const settings: sdk.EventBusOptions[] = [];
  const answers = [new Response('a token'), new Response('<h1>Bad Gateway</h1>', { status: 502 })];
  await run(example, {
    ...surroundings(bus),
    createEventBus: (options: sdk.EventBusOptions) => (settings.push(options), clientOf(bus)),
    fetch: async () => answers.shift(),
  });
  const token = settings[0]!.token as () => Promise<string>;

  expect(await token()).toBe('a token');
  await expect(token()).rejects.toThrow('/api/event-token answered 502');
});
