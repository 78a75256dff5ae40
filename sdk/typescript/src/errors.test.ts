import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { errorCodes } from './error-codes.js';
import { asEventBusError, EventBusError } from './errors.js';

test("the codes and their advice are the server's", () => {
  const header = readFileSync(new URL('../../../src/base/error.h', import.meta.url), 'utf8');
  const rows = [...header.matchAll(/X\(k\w+, "(\w+)", \d+, k(\w+),/g)];
  const ofServer = Object.fromEntries(rows.map(([, code, retry]) => [code, retry!.replace(/(?<=.)[A-Z]/, (letter) => `-${letter}`).toLowerCase()]));

  const { aborted, closed, not_configured, signed_out, ...shared } = errorCodes;

  expect(rows.length).toBeGreaterThan(10);
  expect(shared).toEqual(ofServer);
});

test('a code that this version does not know is final', () => {
  expect(new EventBusError('no_such_moon', '').retry).toBe('never');
  expect(new EventBusError('toString', '').retry).toBe('never');
});

test('what was thrown is kept as the cause', () => {
  const thrown = new TypeError('x is not a function');

  const error = asEventBusError(thrown);

  expect(error).toMatchObject({ code: 'internal', message: 'x is not a function', cause: thrown });
  expect(asEventBusError(error)).toBe(error);
  expect(error).toBeInstanceOf(Error);
});
