// Runs scenarios: what many things at once cost a server that is started, loaded and ended for each.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { rows as deploy } from './deploy.mjs';
import { rows as growth } from './growth.mjs';
import { rows as large } from './large.mjs';
import { Server } from './server.mjs';

const rows = [...deploy, ...growth, ...large];
const kRows = rows.map(({ name, title }) => `${name.padEnd(10)} ${title}`).join('\n');
const kUsage = `usage: bench/scenarios/run [--row NAME]… [--clients N] [--events N] [--reactors N] [--server-bin PATH] [--check]
  --clients and --events make the rows about clients that come back smaller (2000, 200000); --check fails if a bar does not hold; --list names the rows
${kRows}`;
const { values } = parseArgs({
  options: {
    row: { type: 'string', multiple: true, default: rows.map(({ name }) => name) },
    clients: { type: 'string', default: '2000' },
    events: { type: 'string', default: '200000' },
    reactors: { type: 'string', default: '1' },
    'server-bin': { type: 'string', default: process.env.EVENTBUS_BIN ?? fileURLToPath(new URL('../../build/release/bin/eventbus', import.meta.url)) },
    check: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || values.list) {
  console.log(values.help ? kUsage : kRows);
  process.exit(0);
}
const unknown = values.row.filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`bench: there is no row ${unknown.join(', ')}; --help names them`);
  process.exit(2);
}

const options = { clients: Number(values.clients), events: Number(values.events), reactors: Number(values.reactors) };
const missed = [];
const say = (text) => console.log(`  ${text}`);
function bar(row, what, value, limit, unit) {
  const holds = value !== undefined && value <= limit;
  if (!holds) missed.push(`${row}: ${what}`);
  say(`${what}: ${value === undefined ? 'not measured' : Number(value.toFixed(2)).toLocaleString('en')} ${unit} (≤ ${limit.toLocaleString('en')})${holds ? '' : '  MISSED'}`);
}

for (const row of rows.filter(({ name }) => values.row.includes(name))) {
  console.log(`${row.name}: ${row.title}`);
  const server = new Server(values['server-bin'], row.catalog, ['--reactors', `${row.reactors ?? options.reactors}`, ...(row.flags ?? [])]);
  try {
    await server.up();
    await row.run({ server, options, say, bar: (...figures) => bar(row.name, ...figures) });
  } catch (error) {
    say(`${error.message}  MISSED`);
    missed.push(`${row.name}: ${error.message}`);
  }
  await server.remove();
}
console.log(missed.length === 0 ? 'all bars hold' : `missed: ${missed.join('; ')}`);
process.exit(values.check && missed.length > 0 ? 1 : 0);
