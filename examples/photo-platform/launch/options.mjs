import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const EXAMPLE = here('..');
export const REPOSITORY = here('../../..');

const OPTIONS = {
  port: {
    default: '8080',
    name: 'PORT',
    says: 'of the page; when it is taken and was not asked for, a free one; 0: any',
  },
  'bus-port': { default: '8090', name: 'PORT', says: 'of the event bus; likewise' },
  'admin-port': { default: '8091', name: 'PORT', says: 'of the metrics of the event bus; likewise' },
  data: {
    default: `${REPOSITORY}build/photo-platform`,
    name: 'DIR',
    says: 'where photos, the log of the bus and the secret are kept',
  },
  eventbus: { default: `${REPOSITORY}build/release/bin/eventbus`, name: 'FILE', says: 'the server' },
  'log-level': { default: 'warn', name: 'LEVEL', says: 'of the server: debug, info, warn, error' },
};

export function helpText() {
  const lines = Object.entries(OPTIONS).map(([key, { name, says, default: value }]) => {
    const option = `--${key} ${name}`.padEnd(20);
    return `  ${option} ${says}\n  ${' '.repeat(20)} default ${value.replace(REPOSITORY, '')}, or ${variableOf(key)}`;
  });
  return `usage: node start.mjs [OPTION…]\n\n${lines.join('\n')}\n  --help               this text`;
}

// What the command line says, else the environment, else the default. Throws an Error for people.
export function readOptions(args, environment) {
  const { values } = parseArgs({
    args,
    options: {
      ...Object.fromEntries(Object.keys(OPTIONS).map((key) => [key, { type: 'string' }])),
      help: { type: 'boolean', short: 'h' },
    },
  });
  const given = (key) => values[key] ?? environment[variableOf(key)];
  const settled = (key) => given(key) ?? OPTIONS[key].default;
  const port = (key) => ({ wanted: portFrom(key, settled(key)), isGiven: given(key) !== undefined });
  return {
    help: values.help ?? false,
    port: port('port'),
    busPort: port('bus-port'),
    adminPort: port('admin-port'),
    data: settled('data'),
    eventbus: settled('eventbus'),
    logLevel: settled('log-level'),
  };
}

export function checkBuilt({ eventbus }) {
  if (!existsSync(eventbus))
    throw new Error(
      `There is no event bus at ${eventbus}: build it with ./run --build, or name it with --eventbus FILE`,
    );
  for (const part of ['dist/services/api/main.js', 'dist/services/worker/main.js', 'dist/page/index.html']) {
    if (!existsSync(`${EXAMPLE}${part}`))
      throw new Error(`${part} is not built: run "npm ci && npm run build" in examples/photo-platform`);
  }
}

function variableOf(key) {
  return key === 'eventbus' ? 'EVENTBUS_BIN' : `PHOTO_PLATFORM_${key.toUpperCase().replaceAll('-', '_')}`;
}

function portFrom(key, text) {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < 0 || value > 65_535)
    throw new Error(`--${key} is a number from 0 to 65535, not ${text}`);
  return value;
}
