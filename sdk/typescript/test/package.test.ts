import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build } from 'esbuild';
import { publint } from 'publint';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { afterwards, startBus } from './support.js';

const kRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const kTypeScript = join(kRoot, 'node_modules/typescript/bin/tsc');

const kSources = ['src', 'package.json', 'README.md', 'LICENSE', 'build.mjs', 'tsconfig.json', 'tsconfig.esm.json', 'tsconfig.cjs.json'];

// Built in a copy, so that what somebody has built in the folder itself stays.
const built = mkdtempSync(join(tmpdir(), 'event-bus-built-'));
let tarball: Buffer;
let packed: string[];
beforeAll(() => {
  for (const name of kSources) cpSync(join(kRoot, name), join(built, name), { recursive: true });
  symlinkSync(join(kRoot, 'node_modules'), join(built, 'node_modules'));
  execFileSync(process.execPath, [join(built, 'build.mjs')]);
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json'], { cwd: built, encoding: 'utf8' })) as [{ filename: string; files: { path: string }[] }];
  tarball = readFileSync(join(built, filename));
  packed = files.map(({ path }) => path);
}, 60_000);
afterAll(() => rmSync(built, { recursive: true }));

// A folder in which the package is installed as npm would: what `files` names, and its dependencies.
function consumer(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'event-bus-consumer-'));
  afterwards(() => rmSync(folder, { recursive: true }));
  const installed = join(folder, 'node_modules/@shared-infra/event-bus');
  mkdirSync(installed, { recursive: true });
  cpSync(join(built, 'dist'), join(installed, 'dist'), { recursive: true });
  cpSync(join(kRoot, 'package.json'), join(installed, 'package.json'));
  symlinkSync(join(kRoot, 'node_modules'), join(installed, 'node_modules'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const kUse = `
  const bus = createEventBus({ url: process.argv[2], token: 't' });
  bus.publish('photo.uploaded', { photoId: '1' }).then(async ({ offset }) => {
    console.log(offset);
    await bus.close();
  });
`;

test.each([
  ['ESM', 'use.mjs', `import { createEventBus } from '@shared-infra/event-bus';\n${kUse}`],
  ['CommonJS', 'use.cjs', `const { createEventBus } = require('@shared-infra/event-bus');\n${kUse}`],
])('a process that uses it as %s publishes and ends by itself', async (_format, file, text) => {
  const bus = await startBus();
  const folder = consumer({ [file]: text });

  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, file), bus.url]);

  expect(stdout.trim()).toBe('1.1');
});

test.each(['websocket', 'polling'])('a process over %s ends soon after close(), also where nothing answers any more', async (transport) => {
  const bus = await startBus();
  let isSilent = false;
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(Number(new URL(bus.url).port), '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]] as const) {
      sockets.add(one);
      one.on('data', (data) => isSilent || other.write(data));
      one.on('error', () => {});
      one.on('close', () => isSilent || other.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  afterwards(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const text = `
    import { createEventBus } from '@shared-infra/event-bus';
    const bus = createEventBus({ url: process.argv[2], token: 't', socketOptions: { transports: [process.argv[3]] } });
    await bus.subscribe('photo:1', () => {});
    process.stdin.once('data', () => (process.stdin.destroy(), bus.publish('tick', {}).catch(() => {}), bus.close({ drainMs: 200 })));
    console.log('ready');
  `;
  const folder = consumer({ 'worker.mjs': text });
  const worker = spawn(process.execPath, [join(folder, 'worker.mjs'), `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, transport], { stdio: ['pipe', 'pipe', 'inherit'] });
  afterwards(() => worker.kill());
  await once(worker.stdout, 'data');
  isSilent = true;
  const began = performance.now();
  worker.stdin.write('close');

  const [code] = (await once(worker, 'exit')) as [number];

  expect(code).toBe(0);
  expect(performance.now() - began).toBeLessThan(4_000);
});

// Runs a service until the server takes its token no more.
async function serviceWhoseTokenEnds(rest: string): Promise<{ code: number; stderr: string }> {
  const bus = await startBus();
  bus.group = 'worker';
  const folder = consumer({ 'worker.mjs': `import { createEventBus } from '@shared-infra/event-bus';\nconst bus = createEventBus({ url: process.argv[2], token: 't' });\n${rest}` });
  const ended = promisify(execFile)(process.execPath, [join(folder, 'worker.mjs'), bus.url]).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (failed: { code: number; stderr: string }) => failed,
  );
  await bus.until(() => bus.sent('subscribe').length === 1);
  const refusal = { code: 'token_expired', message: 'The token has expired.' };
  bus.refusals = [refusal, refusal, refusal];
  bus.sockets[0]!.emit('token.expired', refusal);
  bus.breakAll();
  return ended;
}

test('a service whose token ends says so and exits with 1', async () => {
  const { code, stderr } = await serviceWhoseTokenEnds(`await bus.subscribe('photo.uploaded', () => {});`);

  expect(code).toBe(1);
  expect(stderr).toMatch(/has ended, and what was subscribed hears nothing more: The token has expired\. \(token_expired\)/);
});

test('a service that hears of the end decides itself', async () => {
  const { code, stderr } = await serviceWhoseTokenEnds(`bus.onError((error) => console.error('heard', error.code)); await bus.subscribe('photo.uploaded', () => {});`);

  expect(code).toBe(0);
  expect(stderr).toBe('heard token_expired\n');
});

test('a service that nobody lets in hears it from its promise before it ends', async () => {
  const bus = await startBus();
  bus.refusals = [{ code: 'unauthorized', message: 'The signature does not fit.' }];
  const text = `
    import { createEventBus } from '@shared-infra/event-bus';
    const bus = createEventBus({ url: process.argv[2], token: 't' });
    bus.on('**', () => {}); // hears nothing from now on
    const deep = async () => { try { await bus.publish('tick', {}); } finally { await null; await null; } };
    deep().catch((error) => { console.log(error.code); process.exitCode = 7; });
  `;
  const folder = consumer({ 'worker.mjs': text });

  const failed = (await promisify(execFile)(process.execPath, [join(folder, 'worker.mjs'), bus.url]).catch((thrown: unknown) => thrown)) as { code: number; stdout: string };

  expect(failed.stdout).toBe('unauthorized\n');
  expect(failed.code).toBe(1);
});

test.each([
  ['ESM', 'use.mts', 'NodeNext', 'NodeNext'],
  ['CommonJS', 'use.cts', 'NodeNext', 'NodeNext'],
  ['a bundler', 'use.ts', 'ESNext', 'Bundler'],
])('its types are found by %s', (_format, file, module, moduleResolution) => {
  const text = `
    import { createEventBus } from '@shared-infra/event-bus';
    import type { ConnectionState } from '@shared-infra/event-bus';
    const bus = createEventBus<{ 'photo.uploaded': { photoId: string } }>({ url: 'http://x', token: async () => 't' });
    export const state: ConnectionState = bus.state;
    // @ts-expect-error photoId is a string
    void bus.publish('photo.uploaded', { photoId: 1 });
  `;
  const folder = consumer({ [file]: text });

  execFileSync(process.execPath, [kTypeScript, '--noEmit', '--strict', '--skipLibCheck', '--target', 'ES2022', '--module', module, '--moduleResolution', moduleResolution, join(folder, file)], { cwd: folder, stdio: 'inherit' });
}, 60_000);

test('engine.io-client is the only dependency', () => {
  const { dependencies } = JSON.parse(readFileSync(join(kRoot, 'package.json'), 'utf8')) as { dependencies: object };

  expect(Object.keys(dependencies)).toEqual(['engine.io-client']);
});

test('the package holds what runs, its types and their sources, README and LICENSE, and nothing else', () => {
  const modules = readdirSync(join(kRoot, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const dist = modules.flatMap((name) => ['esm', 'cjs', 'browser'].flatMap((format) => ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((end) => `dist/${format}/${name.replace(/\.ts$/, end)}`))).filter((name) => !/^dist\/browser\/.*\.browser\./.test(name));

  expect(packed.sort()).toEqual([...dist, ...modules.map((name) => `src/${name}`), 'dist/cjs/package.json', 'package.json', 'README.md', 'LICENSE'].sort());
  expect(readFileSync(join(kRoot, 'LICENSE'))).toEqual(readFileSync(join(kRoot, '../../LICENSE')));
});

test('every map leads to a source that is in the package', () => {
  for (const map of packed.filter((path) => path.endsWith('.map'))) {
    const { sources } = JSON.parse(readFileSync(join(built, map), 'utf8')) as { sources: string[] };
    for (const source of sources) expect(packed).toContain(join(dirname(map), source));
  }
});

test('attw and publint find nothing', async () => {
  const analysis = await checkPackage(createPackageFromTarballData(tarball));
  const { messages } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer } });

  expect(analysis).toMatchObject({ types: { kind: 'included' }, problems: [] });
  expect(messages).toEqual([]);
});

const kPageBytesMax = 24_000; // what a page loads that does not share a connection between its tabs

test('a page that makes a client loads at most 24 kB, minified and compressed, with all that it needs', async () => {
  const { outputFiles } = await build({
    stdin: { contents: "import { createEventBus } from './dist/browser/index.js'; createEventBus({ url: '' });", resolveDir: built },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['*/tabs/shared-connection.js'],
    write: false,
  });

  const bytes = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;

  expect(bytes).toBeLessThanOrEqual(kPageBytesMax);
  expect(bytes).toBeGreaterThan(15_000);
});
