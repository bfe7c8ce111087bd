import { describe, expect, test } from 'vitest';
import { ipFilter } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, stubExchange } from '../core/stub-exchange.ts';

function isLetIn(options: object, clientAddress: string): boolean {
  const { pipeline } = policyPipeline([ipFilter, options]);
  const result = pipeline.runRequest(stubExchange({ clientAddress }));
  if (result !== undefined) expect(result).toMatchObject({ code: 'GW_IP_DENIED', status: 403 });
  return result === undefined;
}

const office = {
  allow: ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'],
  deny: ['10.6.6.0/24', '2001:db8:6::1'],
};

test.each([
  ['10.0.0.1', true],
  ['10.255.255.255', true],
  ['11.0.0.0', false],
  ['192.0.2.7', true],
  ['192.0.2.8', false],
  ['10.6.6.6', false],
  ['2001:db8::1', true],
  ['2001:0DB8:0:0::1', true],
  ['2001:db8:6::1', false],
  ['2001:db8:6:0:0:0:0:1', false],
  ['2001:db9::1', false],
  ['::ffff:10.0.0.1', true],
  ['::ffff:a00:1', true],
  ['0:0:0:0:0:ffff:10.0.0.1', true],
  ['::ffff:10.6.6.6', false],
  ['::FFFF:A06:606', false],
  ['2001:db8::1%eth0', true],
  ['2001:db8:6::1%eth0', false],
  ['', false],
  ['unknown', false],
  ['10.0.0.1, 10.0.0.2', false],
])('allow and deny: %s is let in: %s', (address, expected) => {
  expect(isLetIn(office, address)).toBe(expected);
});

describe('with one list only', () => {
  test.each([
    [{ allow: ['192.0.2.0/24'] }, '192.0.2.1', true],
    [{ allow: ['192.0.2.0/24'] }, '2001:db8::1', false],
    [{ deny: ['192.0.2.0/24'] }, '192.0.2.1', false],
    [{ deny: ['192.0.2.0/24'] }, '::ffff:192.0.2.1', false],
    [{ deny: ['192.0.2.0/24'] }, '198.51.100.1', true],
    [{ deny: ['192.0.2.0/24'] }, '2001:db8::1', true],
    [{ deny: ['0.0.0.0/0', '::/0'] }, '2001:db8::1', false],
    [{ deny: ['192.0.2.0/24'] }, 'not an address', false],
    [{ deny: ['::/64'] }, '192.0.2.1', true],
    [{ allow: ['::/64'] }, '192.0.2.1', false],
    [{ allow: ['::/0'] }, '192.0.2.1', false],
    [{ allow: ['0.0.0.0/0'] }, '2001:db8::1', false],
  ])('%j, %s: %s', (options, address, expected) => {
    expect(isLetIn(options, address)).toBe(expected);
  });
});

test.each([
  [{}, 'filters nothing'],
  [{ deny: [] }, 'filters nothing'],
  [{ allow: [] }, 'is empty'],
  [{ allow: ['10.0.0.0/33'] }, 'is not an address or range'],
  [{ allow: ['::ffff:10.0.0.0/104'] }, 'is IPv4 written as IPv6'],
  [{ deny: ['example.com'] }, 'is not an address or range'],
  [{ allow: ['10.0.0.1'], block: [] }, 'block'],
])('%j is refused', (options, message) => {
  expect(problemsOf(ipFilter, options).join()).toContain(message);
});
