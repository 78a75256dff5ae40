// What grows must not make the rest slower: events that come of age, types, rooms, and what a start has to read.
import { Client } from './client.mjs';
import { connectAll, now, pause, quantile, token, until } from './server.mjs';

const kNote = { type: 'note', data: { user: 'anna', text: 'Creating thumbnails' } };

async function latencies(server, isOver) {
  const all = [];
  while (!(await isOver())) {
    for (let i = 0; i < 100; ++i) {
      const began = now();
      await server.publish(kNote);
      all.push(now() - began);
    }
  }
  return all;
}

/** Durable publishes, one after another, while 400,000 events come of age and without. */
async function aging({ server, bar, say }) {
  const kCount = 400_000;
  const swept = () => server.metric('log_swept_total');
  await server.publishMany(kCount, (n) => ({ type: 'brief', data: { user: `other-${n % 500}`, n } }));
  if ((await swept()) > 0) throw new Error('they came of age before they were counted');
  const quiet = await latencies(server, async () => (await swept()) > 0);
  const aged = await latencies(server, async () => (await swept()) >= kCount);
  say(`p50 ${quantile(quiet, 0.5).toFixed(2)} ms of ${quiet.length} without, ${quantile(aged, 0.5).toFixed(2)} ms of ${aged.length} while they go; p99 ${quantile(quiet, 0.99).toFixed(1)} and ${quantile(aged, 0.99).toFixed(1)} ms`);
  bar('p50 of a durable publish while 400,000 events come of age, as a multiple of that without', quantile(aged, 0.5) / quantile(quiet, 0.5), 1.5, '×');
}

const kTypes = 10_000;

/** CPU of an event among 10,000 types, and of one among one: each published by itself, 64 at once, and in lists of 1,000. */
async function types({ server, bar, say }) {
  const cost = async (count, each, type) => {
    const before = server.cpu();
    const event = (n) => ({ type: type(n), data: { user: `other-${n % 500}` } });
    let next = 0;
    const worker = async () => {
      while (next < count) await server.publish(each === 1 ? event(next++) : Array.from({ length: each }, () => event(next++)));
    };
    await Promise.all(Array.from({ length: each === 1 ? 64 : 1 }, worker));
    return (server.cpu() - before) / count;
  };
  const spread = (n) => `type-${(n * 7) % kTypes}`;
  await cost(20_000, 1_000, spread); // each is known now
  const compare = async (count, each) => {
    const ratios = [];
    for (let round = 0; round < 5; ++round) {
      const one = await cost(count, each, () => 'type-0');
      const many = await cost(count, each, spread);
      ratios.push(many / one);
      say(`${one.toFixed(1)} µs an event of one type, ${many.toFixed(1)} µs of ${kTypes.toLocaleString('en')}, ${each} a request`);
    }
    return quantile(ratios, 0.5);
  };
  bar('CPU of an event among 10,000 types, as a multiple of one among one', await compare(10_000, 1), 1.3, '×');
  // Lists of one type are put one behind the other into RocksDB's memtable, those of many are searched for.
  bar('the same in lists of 1,000', await compare(40_000, 1_000), 2, '×');
}

/** Which reactors wake for an event of one room, while 60,000 rooms are watched on each of 8. */
async function rooms({ server, bar, say }) {
  const kReactors = 8;
  const kRooms = 60_000;
  const kSockets = 2; // of each reactor
  const watch = token({ sub: 'watcher', permissions: ['watch:photo:*'] });
  const clients = Array.from({ length: kReactors * kSockets }, () => new Client(server.port, watch));
  // One after another, so that each reactor gets as many.
  for (const client of clients) await connectAll([client]);
  for (const [n, client] of clients.entries()) {
    const each = kRooms / kSockets;
    for (let at = 0; at < each; at += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, (_, i) => client.call('subscribe', `photo:${n}-${at + i}`).then((answer) => {
        if (answer.ok !== true) throw new Error(JSON.stringify(answer));
      })));
    }
  }
  await pause(2_000);
  const kEvents = 300;
  const before = server.sleeps();
  for (let i = 0; i < kEvents; ++i) {
    await server.publish({ type: 'photo.progress', data: { photoId: `3-${i * 17}` } });
    await pause(5);
  }
  const after = server.sleeps();
  // The reactor of the publisher's connection wakes, that of the room, and the log's thread.
  const woken = [...after].map(([id, count]) => (count - (before.get(id) ?? 0)) / kEvents).sort((a, b) => b - a);
  say(`wakes an event, by thread: ${woken.slice(0, 10).map((count) => count.toFixed(2)).join(' ')}; got ${clients[3].got}`);
  bar('threads that wake for an event: the publisher\'s, the room\'s, and the log\'s', woken.filter((count) => count > 0.5).length, 3, 'threads');
  bar('events that did not come', kEvents - clients[3].got, 0, 'events');
}

async function start(server, bar, what) {
  await server.end('SIGTERM');
  bar(`start after SIGTERM, with ${what}`, (await server.up()) / 1000, 2, 's');
  await server.publish(kNote);
  await server.end('SIGKILL');
  bar(`start after kill -9, with ${what}`, (await server.up()) / 1000, 2, 's');
}

async function owned({ server, bar }) {
  await server.publishMany(1_000_000, (n) => ({ type: 'photo.uploaded', data: { photoId: `${n}`, userId: `user-${n % 5_000}` } }));
  await start(server, bar, '1,000,000 owned subjects');
}

async function sessions({ server, bar }) {
  const kSessions = 200_000;
  for (let at = 0; at < kSessions; at += 4_000) {
    const clients = Array.from({ length: 4_000 }, (_, n) => new Client(server.port, token({ sub: `user-${(at + n) % 5_000}` })));
    await connectAll(clients);
    for (const client of clients) client.drop();
  }
  await until(async () => (await server.metric('sockets')) === 0, 'the clients are gone');
  bar('sessions that are missing', kSessions - (await server.metric('sessions')), 0, 'sessions');
  await start(server, bar, '200,000 sessions');
}

async function groups({ server, bar }) {
  const kGroups = 1_000;
  const services = Array.from({ length: 10 }, (_, n) => new Client(server.port, token({ service: `service-${n}` })));
  await connectAll(services);
  for (let n = 0; n < kGroups; ++n) {
    const answer = await services[n % 10].call('subscribe', 'note', { group: `group-${n}` });
    if (answer.ok !== true) throw new Error(JSON.stringify(answer));
  }
  await server.publishMany(10_000, () => kNote);
  for (const service of services) service.drop();
  await start(server, bar, '1,000 groups');
  bar('groups that are missing', kGroups - (await server.metric('groups')), 0, 'groups');
}

async function log({ server, bar }) {
  await server.publishMany(10_000, (n) => ({ type: 'note', data: { user: `other-${n % 500}`, text: 'x'.repeat(100_000) } }), 9);
  await start(server, bar, 'a log of 1 GB');
}

const kNotes = `
events:
  note: { audience: ["user:{data.user}"] }
`;
const kPhotos = `
events:
  note: { audience: ["user:{data.user}"] }
  photo.uploaded: { subject: "photo:{data.photoId}", owner: "user:{data.userId}", audience: [owner] }
  photo.progress: { subject: "photo:{data.photoId}", audience: [watchers] }
rooms:
  photo: { watch: [owner, permission] }
`;
const kManyTypes = `
events:
${Array.from({ length: kTypes }, (_, n) => `  type-${n}: { audience: ["user:{data.user}"] }`).join('\n')}
`;

export const rows = [
  { name: 'aging', title: 'durable publishes while 400,000 events come of age', catalog: `${kNotes}  brief: { audience: ["user:{data.user}"], retain: 20s }\n`, run: aging },
  { name: 'types', title: 'events of one type and of 10,000', catalog: kManyTypes, run: types },
  { name: 'rooms', title: '60,000 watched rooms on each of 8 reactors', catalog: kPhotos, reactors: 8, flags: ['--rooms-per-socket-max', '65536'], run: rooms },
  { name: 'owned', title: 'a start with 1 million owned subjects', catalog: kPhotos, run: owned },
  { name: 'sessions', title: 'a start with 200,000 sessions', catalog: kNotes, run: sessions },
  { name: 'groups', title: 'a start with 1,000 groups', catalog: kNotes, run: groups },
  { name: 'log', title: 'a start with a log of 1 GB', catalog: kNotes, run: log },
];
