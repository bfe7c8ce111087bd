import { expect, test } from 'vitest';
import { createBearerCheck } from '../../src/admin/bearer-check.ts';

const isToken = createBearerCheck('tökén à');
const wire = (text: string): string => Buffer.from(text).toString('latin1');

test.each(['Bearer tökén à', 'bearer   tökén à \t', 'BEARER tökén à'])('takes %j', (value) =>
  expect(isToken(wire(value))).toBe(true),
);

test.each([
  '',
  'Bearer',
  'Bearer ',
  'Bearer tökén',
  'Bearer tökén à x',
  'tökén à',
  'Basic tökén à',
  ' Bearer tökén à',
])('takes no %j', (value) => expect(isToken(wire(value))).toBe(false));

test('compares bytes', () => {
  expect(isToken('Bearer tökén à')).toBe(false);
  expect(isToken(`${wire('Bearer tökén à')}\xa0`)).toBe(false);
  expect(isToken(undefined)).toBe(false);
});
