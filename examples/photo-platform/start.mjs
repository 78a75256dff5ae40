// Starts the whole example: the event bus, the API with the page, and the worker. Ctrl-C ends all.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkBuilt, EXAMPLE, helpText, readOptions } from './launch/options.mjs';
import { choosePorts } from './launch/ports.mjs';
import { Supervised } from './launch/supervised.mjs';

const HOST = '127.0.0.1';

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) console.log(helpText());
  else await start(options);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

async function start(options) {
  checkBuilt(options);
  const data = resolve(options.data);
  for (const folder of ['bus', 'media']) mkdirSync(`${data}/${folder}`, { recursive: true });
  const ports = await choosePorts([options.port, options.busPort, options.adminPort]);
  const [page, busUrl, admin] = ports.map((port) => `http://${HOST}:${port}`);
  const env = {
    EVENTBUS_JWT_SECRET: secretIn(`${data}/jwt-secret`),
    EVENT_BUS_URL: busUrl,
    MEDIA_DIR: `${data}/media`,
    HOST,
    PORT: new URL(page).port,
  };

  const service = (name) =>
    part({
      name,
      command: process.execPath,
      args: [`${EXAMPLE}dist/services/${name}/main.js`],
      env,
      isReady: ({ hasSaidReady }) => hasSaidReady,
    });
  const bus = part({
    name: 'bus',
    command: options.eventbus,
    args: [
      'serve',
      '--dev',
      ...['--catalog', `${EXAMPLE}catalog.yaml`],
      ...['--listen', new URL(busUrl).host],
      ...['--admin-listen', new URL(admin).host],
      ...['--data', `${data}/bus`],
      ...['--log-level', options.logLevel],
    ],
    env: { EVENTBUS_JWT_SECRET: env.EVENTBUS_JWT_SECRET, EVENTBUS_BIN: undefined }, // the last is ours, not a setting
    isReady: () => answers(`${busUrl}/readyz`),
  });
  const api = service('api');
  const worker = service('worker');

  const parts = [worker, api, bus]; // in the order of stopping: who publishes before who is published to
  let isStopping = false;
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);

  try {
    await bus.start();
    await Promise.all([api.start(), worker.start()]);
  } catch (error) {
    if (isStopping) return; // stop() ends the process
    throw error;
  }
  console.log(`
  The photo platform is open at  ${page}

  Sign in as Ana in two windows, and drop some photos. Ctrl-C ends everything.
  To see the page recover:       kill -9 ${bus.pid}
  What the bus says of itself:   ${admin}/metrics
`);

  function part(description) {
    const onLost = (why) => {
      console.error(`${why}. Its own lines above say why; everything is stopped.`);
      process.exitCode = 1;
      stop();
    };
    return new Supervised({ ...description, onLost });
  }

  // The second time, without waiting.
  async function stop() {
    if (isStopping) {
      for (const each of parts) each.kill();
      return;
    }
    isStopping = true;
    console.log('stopping…');
    for (const each of parts) await each.stop();
    process.exit();
  }
}

// The key that the bus and the services share; made at the first start.
function secretIn(file) {
  try {
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8');
}

async function answers(url) {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}
