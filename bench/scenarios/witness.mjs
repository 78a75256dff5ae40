// A client with a thread of its own: what it waits for must not wait for thousands of others of this process.
import { parentPort, workerData } from 'node:worker_threads';

import { Client } from './client.mjs';
import { connectAll, now, pause, Publisher, token } from './server.mjs';

const witness = new Client(workerData.port, token({ sub: 'witness' }));
const publisher = new Publisher(workerData.port);
await connectAll([witness]);
const latencies = [];
witness.onEvent = ([, { at }]) => latencies.push(now() - at);
let isOver = false;
parentPort.once('message', () => (isOver = true));
while (!isOver) {
  await publisher.publish({ type: 'note', data: { user: 'witness', at: now() } });
  await pause(5);
}
witness.drop();
publisher.end();
parentPort.postMessage(latencies);
