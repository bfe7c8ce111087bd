// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in configurations look like that.
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { acceptReferences, gatewayJsonSchema } from '../../src/config/schema/json-schema.ts';
import { starterConfig } from '../../src/config/starter.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

// zod reads the JSON Schema back, so what editors will say can be asked here.
const schema = z.fromJSONSchema(
  acceptReferences(gatewayJsonSchema(builtInPolicies)) as Parameters<typeof z.fromJSONSchema>[0],
);
const gateway = (rest: object) => schema.safeParse({ listeners: [{ port: 0 }], ...rest }).success;

describe('the JSON Schema', () => {
  it('takes the starter configuration', () => {
    expect(schema.safeParse(parse(starterConfig('./schema.json'))).error).toBeUndefined();
  });

  it.each([
    [
      'short forms',
      { upstreams: { a: { targets: ['http://a:1', { url: 'http://a:2' }] } }, policies: ['request-id'] },
    ],
    ['the options of policies', { policies: [{ cors: { origins: ['*'], maxAge: '1m', id: 'all' } }] }],
    ['policies of your own', { policies: ['acme/audit', { 'acme/audit': { any: 1 } }] }],
    [
      'references in place of anything',
      { metrics: '${METRICS}', drain: { delay: '${DELAY:-5s}' }, admin: { port: '${PORT}' } },
    ],
  ])('takes %s', (_, rest) => {
    expect(gateway(rest)).toBe(true);
  });

  it.each([
    ['unknown keys', { accesslog: true }],
    ['unknown options', { policies: [{ cors: { origins: [], orgins: [] } }] }],
    ['a policy without the options that it needs', { policies: ['cors'] }],
    ['observe where nothing is refused', { policies: [{ 'request-id': { observe: true } }] }],
    ['numbers for durations', { drain: { delay: 5 } }],
  ])('refuses %s', (_, rest) => {
    expect(gateway(rest)).toBe(false);
  });
});
