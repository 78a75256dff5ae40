// Many clients come back at once: those that are owed nothing, and those that missed much.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { Client } from './client.mjs';
import { connectAll, now, pause, quantile, token, until } from './server.mjs';

const kCatalog = `
events:
  note: { audience: ["user:{data.user}"] }
  team: { audience: ["role:team-{data.team}"] }
  all: { audience: [everyone] }
`;

const kPage = 512; // events
const ofOthers = (server, count) => server.publishMany(count, (n) => ({ type: 'note', data: { user: `other-${n % 500}`, text: 'Creating thumbnails', n } }));
const pages = (server) => server.metric('\\w*pages\\w*');

async function quiet(row, { server, options, bar, say }) {
  const count = options.clients;
  const clients = Array.from({ length: count }, (_, n) => new Client(server.port, token({ sub: `quiet-${n}` })));
  const before = server.cpu();
  await connectAll(clients);
  const firstUs = (server.cpu() - before) / count;
  if (row === 'away') {
    for (const client of clients) client.drop();
    await pause(200);
  }
  await ofOthers(server, options.events);
  await server.end(row === 'kill' ? 'SIGKILL' : 'SIGTERM');
  await server.up();
  const cpuBefore = server.cpu();
  await connectAll(clients);
  await until(() => clients.every(({ isDone }) => isDone), 'resume.done');
  const cpuUs = (server.cpu() - cpuBefore) / count;
  await server.publish({ type: 'all', data: {} });
  await until(() => clients.every(({ got }) => got === 1), 'a live event');
  bar('all back and live after the listener was up', now() - server.readyAt, 2_000, 'ms');
  const cpu = `server CPU a client, as a multiple of a first sign-in (${firstUs.toFixed(0)} µs)`;
  bar('sessions unknown or gaps told', clients.filter(({ gaps, isUnknown }) => gaps > 0 || isUnknown).length, 0, 'clients');
  // Each at most once, where the server could not note where its clients stood.
  bar('pages of the log read', await pages(server), row === 'stop' ? 0 : options.events / kPage, 'pages');
  if (row === 'stop') bar(cpu, cpuUs / firstUs, 1.3, '×');
  else say(`${cpu}: ${(cpuUs / firstUs).toFixed(2)} ×`);
  for (const client of clients) client.drop();
}

async function missed({ server, options, bar, say }) {
  const count = 3 * options.clients;
  const clients = Array.from({ length: count }, (_, n) => new Client(server.port, token({ sub: `user-${n}`, roles: [`team-${n % 60}`] })));
  await connectAll(clients);
  for (const client of clients) client.drop();
  // Each team misses 100 events, spread among those of others.
  const each = Math.floor(options.events / 6_000);
  for (let at = 0; at < 6_000; at += 30) {
    await server.publish(Array.from({ length: 30 }, (_, n) => ({ type: 'team', data: { team: (at + n) % 60 } })));
    await ofOthers(server, 30 * Math.max(0, each - 1));
  }
  await ofOthers(server, 70_000); // far behind what is kept in memory
  const witness = new Worker(new URL('witness.mjs', import.meta.url), { workerData: { port: server.port } });
  await pause(500);
  const began = now();
  await connectAll(clients);
  await until(() => clients.every(({ got }) => got >= 100), 'what was missed');
  const tookMs = now() - began;
  witness.postMessage('end');
  const [latencies] = await once(witness, 'message');
  say(`${count} clients had what they missed after ${Math.round(tookMs).toLocaleString('en')} ms; pages read: ${await pages(server)}`);
  bar('clients with too much, or a false gap', clients.filter(({ got, gaps, isUnknown }) => got !== 100 || gaps > 0 || isUnknown).length, 0, 'clients');
  bar(`a live event of another client, p99 of ${latencies.length}`, quantile(latencies, 0.99), 50, 'ms');
  bar('a live event of another client, at most', Math.max(...latencies), 250, 'ms');
  for (const client of clients) client.drop();
}

export const rows = [
  { name: 'stop', title: 'quiet clients and events of others, then SIGTERM and a start: all come back at once', catalog: kCatalog, run: (scene) => quiet('stop', scene) },
  { name: 'kill', title: 'the same with kill -9', catalog: kCatalog, run: (scene) => quiet('kill', scene) },
  { name: 'away', title: 'the events of others are published while the clients are away', catalog: kCatalog, run: (scene) => quiet('away', scene) },
  { name: 'missed', title: "three times as many clients, each of which missed 100 of the events; another client's live events meanwhile", catalog: kCatalog, run: missed },
];
