import { expect, test } from 'vitest';

import { whyClosed } from './why-closed.js';

const kTooLarge = 'a message is larger than the server or a proxy takes';

// What engine.io-client 6 tells with `close`, in Node and in browsers.
test.each<[string, unknown, string]>([
  ['transport close', { description: 'websocket connection closed', context: { code: 1006, reason: '' } }, 'transport close, 1006'],
  ['transport close', { description: 'websocket connection closed', context: { code: 1009, reason: 'Too big' } }, `transport close, 1009: Too big: ${kTooLarge}`],
  ['transport error', Object.assign(new Error('xhr post error'), { description: 413, context: {} }), `xhr post error, it answers HTTP 413: ${kTooLarge}`],
  ['transport error', Object.assign(new Error('xhr poll error'), { description: 404, context: {} }), 'xhr poll error, it answers HTTP 404: is the address right?'],
  ['transport error', Object.assign(new Error('xhr poll error'), { description: 0, context: { statusText: new Error('connect ECONNREFUSED') } }), 'xhr poll error, connect ECONNREFUSED'],
  ['transport error', Object.assign(new Error('websocket error'), { description: { message: 'Unexpected server response: 502' } }), 'websocket error, Unexpected server response: 502'],
  ['ping timeout', undefined, 'ping timeout'],
])('%s, %o is said in words', (reason, details, expected) => {
  expect(whyClosed(reason, details)).toBe(expected);
});
