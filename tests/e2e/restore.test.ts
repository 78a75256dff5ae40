// A server whose data is replaced: by a backup, by a copy of its files as it ran, or in part.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { afterwards } from './support/clean-up.js';
import { away, connect, fence, sdk } from './support/clients.js';
import { count, counted, kBob, told } from './support/counters.js';
import { Seen } from './support/seen.js';
import { BusServer, kBinary } from './support/server.js';
import { serviceToken } from './support/tokens.js';

async function upload(server: BusServer, photoIds: readonly string[]): Promise<void> {
  for (const photoId of photoIds) {
    const data = { photoId, userId: 'alice', filename: `${photoId}.jpg` };
    expect((await server.post('/v1/events', serviceToken('api'), { type: 'photo.uploaded', data })).status).toBe(200);
  }
}

/** A copy of what the server has on disk now. */
function copy(server: BusServer): string {
  const backup = mkdtempSync(join(tmpdir(), 'eventbus-backup-'));
  afterwards(() => rmSync(backup, { recursive: true, force: true }));
  cpSync(server.data, backup, { recursive: true });
  return backup;
}

/** Puts `backup` in the place of the server's data, or of some of its folders. */
function restore(server: BusServer, backup: string, folders: readonly string[] = ['.']): void {
  for (const folder of folders) {
    rmSync(join(server.data, folder), { recursive: true, force: true });
    cpSync(join(backup, folder), join(server.data, folder), { recursive: true });
  }
}

/** A worker's group; the ids of the photos that it handled, in order. */
async function worker(server: BusServer): Promise<Seen<string>> {
  const handled = new Seen<string>();
  const bus = sdk(server, serviceToken('worker'));
  bus.onError(() => {});
  await bus.subscribe('photo.uploaded', (event) => handled.add(event.photoId as string));
  return handled;
}

test.each(['SIGTERM', 'kill -9'])('clients that have seen more than a restored backup are told, and nobody misses anything new (%s)', async (how) => {
  const server = await BusServer.start();
  const end = () => (how === 'SIGTERM' ? server.stop() : server.kill());
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  const handled = await worker(server);
  await count(server, 1, 3);
  await upload(server, ['1', '2']);
  await bob.events.atLeast(3);
  await handled.atLeast(2);

  let backup = '';
  await away(bob, async () => {
    await end();
    backup = copy(server);
    await server.up();
  });
  expect(told(bob)).not.toContain('resume.unknown'); // a restart alone is none of this
  await count(server, 4, 6);
  await upload(server, ['3', '4', '5']);
  await bob.events.atLeast(6);
  await handled.atLeast(5);

  await away(bob, async () => {
    await end();
    restore(server, backup);
    await server.up();
    await count(server, 11, 30);
    await upload(server, ['6', '7']);
  });
  await count(server, 31, 31);
  await bob.events.until(() => counted(bob).includes(31));

  expect(bob.control.things).toContainEqual({
    name: 'resume.unknown',
    body: { code: bob.socket.recovered ? 'offset' : 'session', reason: expect.any(String) as string, to: expect.any(String) as string },
  });
  // What the backup has of the session may be older than what bob saw.
  expect(counted(bob).filter((n) => n > 10)).toEqual(Array.from({ length: 21 }, (_, n) => 11 + n));
  await handled.until((ids) => ['6', '7'].every((id) => ids.includes(id)));
});

test('a copy of a running server, prepared by `eventbus restore`, is told to who saw what came later', async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  await count(server, 1, 3);
  await bob.events.atLeast(3);
  const backup = copy(server);
  await count(server, 4, 6);
  await bob.events.atLeast(6);

  await away(bob, async () => {
    await server.kill();
    restore(server, backup);
    const said = JSON.parse(execFileSync(kBinary, ['restore', server.data, '--json'], { encoding: 'utf8' })) as object;
    expect(said).toEqual({ end: expect.any(Number) as number });
    await server.up();
    await count(server, 11, 30);
  });
  await fence(server, [bob]);

  expect(told(bob)).toContain('resume.unknown');
});

test('who was away when what a restored copy lacks was published is told by a gap, and nobody by a restart', async () => {
  const server = await BusServer.start();
  await count(server, 1, 1);
  const { offset } = (await (await server.post('/v1/events', serviceToken('api'), { type: 'counter.counted', data: { counterId: '1', n: 2 } })).json()) as { offset: string };
  // What a stream that goes on from `offset` is told, up to the event with `until`.
  const toldAfter = async (until: number) => {
    const ending = new AbortController();
    const { body } = await fetch(`${server.url}/v1/stream?topic=counter:1`, { headers: { authorization: `Bearer ${kBob}`, 'last-event-id': offset }, signal: ending.signal });
    let text = '';
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      text += new TextDecoder().decode(chunk);
      if (text.includes(`"n":${until}`)) break;
    }
    ending.abort();
    return [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
  };
  await server.kill();
  await server.up();
  await count(server, 3, 3);
  expect(await toldAfter(3)).toEqual(['counter.counted']);
  const backup = copy(server);
  await count(server, 4, 6); // acknowledged, and not in the copy

  await server.kill();
  restore(server, backup);
  execFileSync(kBinary, ['restore', server.data]);
  await server.up();
  await count(server, 11, 11);

  expect((await toldAfter(11)).sort()).toEqual(['counter.counted', 'counter.counted', 'resume.gap']);
});

test('the log of a backup with the groups of later: they go on behind what both share', async () => {
  const server = await BusServer.start();
  const handled = await worker(server);
  await upload(server, ['1', '2']);
  await handled.atLeast(2);
  await server.stop();
  const backup = copy(server);
  await server.up();
  await upload(server, ['3', '4']);
  await handled.atLeast(4);

  await server.stop();
  restore(server, backup, ['log']);
  await server.up();
  await upload(server, ['5', '6', '7', '8']);

  await handled.until((ids) => ['5', '6', '7', '8'].every((id) => ids.includes(id)));
  expect(handled.things.filter((id) => id === '1')).toEqual(['1']); // both share it
  expect(server.output).toMatch(/another branch of the log.*worker:photo\.uploaded/);
});

test('`log/` moved away with the sessions kept: nobody is deaf', async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  await count(server, 1, 3);
  await bob.events.atLeast(3);

  await away(bob, async () => {
    await server.stop();
    rmSync(join(server.data, 'log'), { recursive: true });
    await server.up();
  });
  expect(bob.socket.recovered).toBe(false);
  expect(await bob.ask('subscribe', 'counter:1')).toMatchObject({ ok: true });
  await count(server, 4, 4);

  expect((await bob.events.atLeast(4)).map(({ data }) => data.n)).toEqual([1, 2, 3, 4]);
  expect(told(bob)).toContain('resume.unknown');
});

test.each(['SIGTERM', 'kill -9'])('`sessions/` of an earlier day with the log kept: nobody goes on without a room that they joined since (%s)', async (how) => {
  const server = await BusServer.start();
  const end = () => (how === 'SIGTERM' ? server.stop() : server.kill());
  const bob = await connect(server, kBob);
  await count(server, 1, 1);
  let backup = '';
  await away(bob, async () => {
    await end();
    backup = copy(server);
    await server.up();
  });
  expect(bob.socket.recovered).toBe(true);
  await bob.ask('subscribe', 'counter:1');
  await count(server, 2, 2);
  await bob.events.atLeast(1);

  await away(bob, async () => {
    await end();
    restore(server, backup, ['sessions']);
    await server.up();
    await count(server, 3, 3);
  });
  await fence(server, [bob]);

  expect(bob.socket.recovered).toBe(false);
  expect(told(bob)).toContain('resume.unknown');
  expect(server.output).toMatch(/all sessions are unknown.*older than the log/);
});

test('a start that is refused leaves sessions as they were', async () => {
  const server = await BusServer.start();
  const bob = await connect(server, kBob);
  await bob.ask('subscribe', 'counter:1');
  await count(server, 1, 1);
  await bob.events.atLeast(1);

  await away(bob, async () => {
    const { url } = server;
    await server.stop();
    const other = createServer().listen(Number(new URL(url).port), '127.0.0.1');
    await once(other, 'listening');
    for (let i = 0; i < 2; ++i) await expect(server.up()).rejects.toThrow(/address/i);
    other.close();
    for (const store of ['sessions', 'groups']) {
      const current = join(server.data, store, 'CURRENT');
      renameSync(current, join(server.data, 'kept'));
      for (let i = 0; i < 2; ++i) await expect(server.up()).rejects.toThrow(/CURRENT is missing/);
      renameSync(join(server.data, 'kept'), current);
    }
    await server.up();
    await count(server, 2, 2);
  });

  expect(bob.socket.recovered).toBe(true);
  await bob.events.until(() => counted(bob).includes(2));
});

test('`eventbus restore` refuses what is no data directory, or one that a server has', async () => {
  const server = await BusServer.start();
  const refusal = (directory: string) => {
    try {
      execFileSync(kBinary, ['restore', directory], { encoding: 'utf8', stdio: 'pipe' });
      return '';
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      return `${status} ${stderr}`;
    }
  };
  expect(refusal(join(server.data, 'nothing'))).toMatch(/^1 eventbus: .*nothing cannot be opened/);
  expect(refusal(server.data)).toMatch(/^1 eventbus: .*another/);
});
