// A folder of the data directory that is removed or moved away under the running server.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { BusServer } from './support/server.js';
import { serviceToken } from './support/tokens.js';

const kToken = serviceToken('operations', { permissions: ['admin:metrics'] });
const kUpload = { photoId: '123', userId: 'alice', filename: 'vacation.jpg' };

const publish = (server: BusServer, id: string) => server.post('/v1/events', serviceToken('api'), { id, type: 'photo.uploaded', data: kUpload });

// Until it is gone: the server may put a file into it meanwhile.
function remove(folder: string) {
  for (let tries = 1; existsSync(folder); ++tries) {
    try {
      rmSync(folder, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || tries === 20) throw error;
    }
  }
}

test('a log that is moved away takes nothing more, until it is back and the server starts again', async () => {
  const server = await BusServer.start();
  const { offset } = (await (await publish(server, 'before')).json()) as { offset: string };

  renameSync(join(server.data, 'log'), join(server.data, 'away'));
  const refused = await publish(server, 'meanwhile');
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: 'read_only' });
  await server.readiness(503);
  expect(await (await fetch(`${server.url}/readyz`)).text()).toContain(`the folder ${server.data}/log was removed or replaced`);
  expect(server.output).toContain('the folder of a store was removed or replaced while the server runs');
  expect(await server.metric('eventbus_store_gone{store="log"}', kToken)).toBe(1);
  expect(await server.metric('eventbus_store_gone{store="sessions"}', kToken)).toBe(0);
  expect(await server.stop()).toBe(0);

  renameSync(join(server.data, 'away'), join(server.data, 'log'));
  await server.up();
  expect(await (await publish(server, 'before')).json()).toMatchObject({ offset, duplicate: true });
  expect(await (await publish(server, 'meanwhile')).json()).not.toHaveProperty('duplicate', true);
});

test.each(['log', 'sessions', 'groups', '.'])('the folder %s that is removed while nobody writes is noticed within seconds', async (folder) => {
  const server = await BusServer.start();
  const from = Date.now();
  remove(join(server.data, folder));
  await server.readiness(503);
  expect(Date.now() - from).toBeLessThan(5_000);
  expect(await server.stop()).toBe(0);
});
