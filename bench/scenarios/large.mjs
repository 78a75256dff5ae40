// Large events for a minute: memory stays within what its bounds add up to.
import { Client } from './client.mjs';
import { connectAll, now, pause, token } from './server.mjs';

const kMB = 1_000_000;
const kMiB = 1 << 20;
const kWatchers = 8;
// What may be held, in bytes; docs/operations.md names each.
const kLimits = {
  tail_bytes: 128 * kMiB,
  queue_bytes: kWatchers * kMiB,
  log_pending_bytes: 64 * kMiB,
  group_pending_bytes: kMiB + kMB, // the last event may pass it
};

async function large({ server, bar, say }) {
  const clients = Array.from({ length: kWatchers }, (_, n) => new Client(server.port, token({ sub: `user-${n}`, permissions: ['watch:photo:*'] })));
  const worker = new Client(server.port, token({ service: 'worker' }));
  await connectAll([...clients, worker]);
  for (const client of clients) await client.call('subscribe', 'photo:1');
  await worker.call('subscribe', 'photo.large', { group: 'worker' });
  for (const client of clients.slice(-2)) client.stop(); // they are closed as slow
  await pause(1_000);
  const idle = server.rss();
  const highest = { rss: 0 };
  const began = now();
  let sent = 0;
  const event = { type: 'photo.large', data: { photoId: '1', pixels: 'x'.repeat(400_000) } };
  while (now() - began < 60_000) {
    await server.publish(event);
    sent += 400_000;
    highest.rss = Math.max(highest.rss, server.rss());
    if (sent % (25 * 400_000) === 0) for (const name of Object.keys(kLimits)) highest[name] = Math.max(highest[name] ?? 0, (await server.metric(name)) ?? 0);
    await pause(sent / (10 * kMB) * 1000 - (now() - began));
  }
  say(`${(sent / kMB / ((now() - began) / 1000)).toFixed(1)} MB/s; idle ${(idle / kMB).toFixed(0)} MB, at most ${(highest.rss / kMB).toFixed(0)} MB; got ${clients.map(({ got }) => got).join(' ')} of ${sent / 400_000}`);
  for (const [name, limit] of Object.entries(kLimits)) bar(`eventbus_${name}`, highest[name] / kMiB, limit / kMiB, 'MiB');
  const sum = Object.values(kLimits).reduce((a, b) => a + b);
  bar('growth of the resident memory, as a multiple of the sum of these limits', (highest.rss - idle) / sum, 1.3, '×');
}

export const rows = [
  {
    name: 'large',
    title: '10 MB/s of events of 400 kB for a minute, to eight watchers, two of which do not read, and a group that does not acknowledge',
    catalog: `
events:
  photo.large: { subject: "photo:{data.photoId}", audience: [watchers] }
rooms:
  photo: { watch: [permission] }
`,
    run: large,
  },
];
