// Owners that nobody names any more.
import { expect, test } from 'vitest';

import { connect } from './support/clients.js';
import { BusServer } from './support/server.js';
import { serviceToken, userToken } from './support/tokens.js';

const kOperator = serviceToken('operations', { permissions: ['admin:metrics'] });

test('an owner who was not named for owner_ttl no longer is one, and is told', async () => {
  const server = await BusServer.start({ settings: { owner_ttl: '1s' } });
  const upload = (photos: readonly string[]) =>
    server.post('/v1/events', serviceToken('api'), photos.map((photoId) => ({ type: 'photo.uploaded', data: { photoId, userId: 'alice', filename: 'a.jpg' } })));
  expect((await upload(['old', 'used'])).status).toBe(200);
  const alice = await connect(server, userToken('alice'));
  for (const photo of ['photo:old', 'photo:used']) expect(await alice.ask('subscribe', photo)).toMatchObject({ ok: true });

  const others = Array.from({ length: 300 }, (_, n) => `other-${n}`);
  await expect
    .poll(async () => {
      expect((await upload(['used', ...others])).status).toBe(200);
      return server.metric('eventbus_subjects_ended_total{by="owner_ttl"}', kOperator);
    }, { interval: 200, timeout: 15_000 })
    .toBe(1);
  const ended = (await alice.control.until((all) => all.some(({ name }) => name === 'watch.ended'))).filter(({ name }) => name === 'watch.ended');
  expect(ended).toMatchObject([{ body: { topic: 'photo:old' } }]);
  expect(await alice.ask('subscribe', 'photo:old')).toMatchObject({ ok: false, error: { code: 'forbidden' } });
  expect(await alice.ask('subscribe', 'photo:used')).toMatchObject({ ok: true });
  expect(await server.metric('eventbus_subjects', kOperator)).toBe(301);
});
