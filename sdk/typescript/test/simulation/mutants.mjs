// Plants one fault after the other in a copy of the package, and shows the seed at which the simulation finds it.
//
//   node test/simulation/mutants.mjs [NAME…] [--seeds N] [--jobs J]
//   node test/simulation/mutants.mjs --check     only that each can still be planted
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { buildPackage, buildSimulation } from './bundle.mjs';

// `row`: of the faults that the package once had (docs/simulation.md). `from` stands once in `file`.
const mutants = [
  {
    name: 'answer-in-a-later-turn',
    row: 1,
    what: 'A subscription is confirmed in a later microtask than the answer: events right behind it find nobody.',
    file: 'interests.ts',
    from: "this.#connection.send('subscribe', [topic, options], kAnswerMs, (answer) => {",
    to: "this.#connection.send('subscribe', [topic, options], kAnswerMs, async (answer) => { await Promise.resolve(); await Promise.resolve();",
  },
  {
    name: 'closing-refuses-running-handlers',
    row: 2,
    what: 'While a client closes, what its running handlers publish is refused.',
    file: 'engine.ts',
    from: 'return this.subscriptions.handling.isAtWork && !this.#isEnded;',
    to: 'return false;',
  },
  {
    name: 'closing-waits-for-itself',
    row: 2,
    what: '`close()` within a handler waits for that handler.',
    file: 'handling.ts',
    from: 'return this.#running.has(this.#caller.getStore() ?? {});',
    to: 'return false;',
  },
  {
    name: 'refusal-ends-all',
    row: 3,
    what: 'A subscription that is refused ends the others of its topic.',
    file: 'interests.ts',
    from: '      else this.#end(interest, subscriber, error);\n',
    to: '      else for (const every of [...interest.subscribers]) this.#end(interest, every, error);\n',
  },
  {
    name: 'too-large-is-sent',
    row: 4,
    what: 'What the server does not take is sent.',
    file: 'publisher.ts',
    from: 'if (bytes + kEnvelopeBytes > maxPayload)',
    to: 'if (bytes > Infinity)',
  },
  {
    name: 'token-is-not-renewed',
    row: 5,
    what: 'That the token ends soon is not heard.',
    file: 'connection.ts',
    from: "name === 'token.expiring'",
    to: "name === 'never'",
  },
  {
    name: 'delivery-does-not-join-its-run',
    row: 6,
    what: 'A delivery of an event that runs is handled beside it.',
    file: 'group-work.ts',
    from: 'if (known !== undefined && !this.#giveUpIfStuck(known)) {',
    to: 'if (known !== undefined && known.delivery === delivery) {',
  },
  {
    name: 'first-failure-answers',
    row: 6,
    what: 'An event is given back while another handler of it still runs.',
    file: 'group-work.ts',
    from: 'Promise.allSettled([...member.subscribers].map((subscriber) => subscriber.handleOfGroup(event, context)))',
    to: "Promise.all([...member.subscribers].map((subscriber) => subscriber.handleOfGroup(event, context))).then(() => [{ status: 'fulfilled', value: undefined }] as PromiseSettledResult<void>[], (reason) => [{ status: 'rejected', reason } as PromiseSettledResult<void>])",
  },
  {
    name: 'no-bound-over-drops',
    row: 6,
    what: '`maxInFlight` does not hold over drops.',
    file: 'group-work.ts',
    from: 'if (room-- <= 0) return;',
    to: 'if (room-- <= -1_000) return;',
  },
  {
    name: 'history-for-everybody',
    row: 7,
    what: 'A history is given to all handlers of its topic.',
    file: 'subscriber.ts',
    from: 'this.#since !== undefined && position > this.#historyAfter',
    to: 'position > 0',
  },
  {
    name: 'failing-token-function-is-final',
    row: 8,
    what: 'A `token` function that throws twice rejects what waits.',
    file: 'connection.ts',
    from: 'this.#stop(token) : this.#again(token);',
    to: 'this.#stop(token) : (this.#again(token), ++this.#refusals < kRefusalsMax || this.#user.refused(token));',
  },
  {
    name: 'state-is-told-before-it-holds',
    row: 9,
    what: 'A state is told before what belongs to it is done.',
    file: 'connection.ts',
    from: '    begin?.();\n    if (this.state === state) this.states.tell(state);\n',
    to: '    this.states.tell(state);\n    begin?.();\n',
  },
  {
    name: 'two-memberships-of-one-group',
    row: 10,
    what: 'The default group and the same by its name are two interests.',
    file: 'interests.ts',
    from: 'if (twin === undefined) return interest;',
    to: 'if (twin === undefined || twin !== undefined) return interest;',
  },
  {
    name: 'second-subscription-is-the-first',
    row: 11,
    what: "A second subscription of a topic has the first one's offset, at once.",
    file: 'interests.ts',
    from: '    if (this.#connection.isLive) this.#goOnFromPlace(interest, subscriber);\n    this.ask(interest, subscriber);\n',
    to: '    if (interest.confirmed !== undefined && subscriber.since === undefined) return subscriber.confirm(interest.confirmed), interest;\n    if (this.#connection.isLive) this.#goOnFromPlace(interest, subscriber);\n    this.ask(interest, subscriber);\n',
  },
  {
    name: 'errors-without-ids',
    row: 12,
    what: 'A publish that is late does not name its events.',
    file: 'errors.ts',
    from: 'this.ids = ids;',
    to: 'this.ids = undefined;',
  },
  {
    name: 'refused-publish-goes-behind',
    row: 13,
    what: 'A publish that is to be sent again goes behind the others.',
    file: 'publisher.ts',
    from: "    // What is wrong with one of them must not keep those before it.\n",
    to: "    if (mayPass) this.#queue.push(...this.#queue.splice(0, 1));\n",
  },
  {
    name: 'observers-are-not-awaited',
    row: 14,
    what: 'What an async observer throws is nobody\'s.',
    file: 'observers.ts',
    from: '      await handler(news);\n',
    to: '      void handler(news);\n',
  },
  {
    name: 'places-are-of-the-url',
    row: 15,
    what: 'A kept place is not its user\'s: whoever signs in next goes on from it.',
    file: 'interests.ts',
    from: 'const { place, principal } = this.#places;',
    to: 'const { place } = this.#places, principal = undefined;',
  },
  {
    name: 'clients-share-a-place',
    row: 15,
    what: 'The clients of one page share one kept place.',
    file: 'place-store.ts',
    from: 'if (inUse.has(entry)) continue;',
    to: '',
  },
  {
    name: 'unasked-topics-are-forgotten',
    row: 16,
    what: 'A page that is loaded again keeps only what it has subscribed to itself.',
    file: 'place-store.ts',
    from: 'return [...unclaimed.slice(-kUnclaimedMax), ...claimed];',
    to: 'return claimed;',
  },
  {
    name: 'place-moves-for-all-topics',
    row: 16,
    what: 'The kept place of a topic moves with the events of others, though its own are still on their way.',
    file: 'subscriber.ts',
    from: '(this.#since === this.#lost ? undefined : this.#since) ?? this.#lastPoint;',
    to: 'this.#lastPoint;',
  },
  {
    name: 'places-are-of-the-topic',
    row: 16,
    what: 'All handlers of a topic go on from the earliest of their places.',
    file: 'place-store.ts',
    from: 'return this.#slotOf(owner)?.inherited;',
    to: "return this.#slots.get(owner.topic)?.map(({ inherited }) => inherited).reduce((least, point) => (Number(point?.split('.')[1]) < Number(least?.split('.')[1]) ? point : least));",
  },
  {
    name: 'only-the-first-has-a-place',
    row: 16,
    what: 'The second handler of a topic begins from now when the page is loaded again.',
    file: 'place-store.ts',
    from: 'slots.find((slot) => slot.owner === undefined)',
    to: 'slots.find((slot) => slot.owner === undefined && slot === slots[0])',
  },
  {
    name: 'handlers-close-up-when-one-goes',
    row: 16,
    what: 'A handler that is taken off moves those behind it to the places of others in the next page.',
    file: 'place-store.ts',
    from: 'slot.owner = undefined;',
    to: 'this.#slots.set(owner.topic, this.#slots.get(owner.topic)!.filter((one) => one !== slot));',
  },
  {
    name: 'publish-is-sent-with-another-id',
    what: 'A publish that is sent again has another id.',
    file: 'publisher.ts',
    from: 'const bodies = requests.map(({ json }) => JSON.parse(json) as unknown);',
    to: 'const bodies = requests.map(({ json }) => { const body = JSON.parse(json); if (!Array.isArray(body)) body.id += `/${performance.now()}`; return body as unknown; });',
  },
  {
    name: 'membership-is-kept-over-a-drop',
    what: 'A membership of a group counts as part of the session.',
    file: 'interests.ts',
    from: 'interest.isHeld &&= recovered && interest.confirmed?.group === undefined;',
    to: 'interest.isHeld &&= recovered;',
  },
  {
    name: 'end-of-a-watch-is-not-heard',
    what: '`watch.ended` is not heard.',
    file: 'engine.ts',
    from: "if (name === 'watch.ended' &&",
    to: "if (name === 'watch.ends' &&",
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string', default: '500' }, jobs: { type: 'string', default: '2' }, check: { type: 'boolean', default: false } },
});

const wanted = mutants.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const unplantable = wanted.filter(({ file, from }) => sourceOf(file).split(from).length !== 2);
for (const { name, file } of unplantable) console.log(`${name}: what it changes does not stand once in src/${file}; bring it up to date`);
if (values.check || unplantable.length > 0) {
  console.log(`${wanted.length - unplantable.length} of ${wanted.length} mutants can be planted`);
  process.exit(unplantable.length === 0 ? 0 : 1);
}

const seeds = Number(values.seeds);
const program = await buildSimulation();
const base = await buildPackage();
let missed = 0;
const queue = [...wanted];
await Promise.all(Array.from({ length: Number(values.jobs) }, async () => {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const { name, row, file, from, to } = mutant;
    const changed = await buildPackage(`mutant-${name}`, (text, of) => (of === file ? text.replace(from, () => to) : text));
    const found = await firstFound(changed);
    if (found === undefined) ++missed;
    console.log(`${row === undefined ? '      ' : `row ${String(row).padStart(2)}`} ${name}: ${found === undefined ? `NOT FOUND within ${seeds} seeds` : `seed ${found.seed}: ${found.faults[0]}`}`);
  }
}));
process.exitCode = missed === 0 ? 0 : 1;

function sourceOf(file) {
  return readFileSync(fileURLToPath(new URL(`../../src/${file}`, import.meta.url)), 'utf8');
}

/** The first seed with a fault that the package itself does not have there. */
async function firstFound(path) {
  for (let from = 1; from <= seeds; ) {
    const found = await firstFault(path, from, seeds);
    if (found === undefined || (await firstFault(base, found.seed, found.seed)) === undefined) return found;
    console.log(`(the package itself has a fault at seed ${found.seed})`);
    from = found.seed + 1;
  }
  return undefined;
}

function firstFault(path, from, to) {
  return new Promise((resolve) => {
    let found;
    const child = fork(program, [path, String(from), String(to + 1), '1'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    child.on('message', ({ seed, faults }) => {
      if (faults.length === 0 || found !== undefined) return;
      found = { seed, faults };
      child.kill();
    });
    child.on('exit', () => resolve(found));
  });
}
