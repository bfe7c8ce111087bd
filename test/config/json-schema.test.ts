// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in configurations look like that.
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { editorSchema } from '../../src/config/schema/editor-schema.ts';
import { gatewayJsonSchema } from '../../src/config/schema/json-schema.ts';
import { starterConfig } from '../../src/config/starter.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

// zod reads the JSON Schema back, so what editors will say can be asked here.
const schema = z.fromJSONSchema(editorSchema(builtInPolicies) as Parameters<typeof z.fromJSONSchema>[0]);
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

/** Follows definitions to what stands at a path of the schema itself. */
function settingAt(...path: string[]): Record<string, unknown> {
  const root = editorSchema(builtInPolicies) as Record<string, unknown>;
  const defs = root.$defs as Record<string, Record<string, unknown>>;
  const resolve = (node: Record<string, unknown>): Record<string, unknown> => {
    const { $ref, ...rest } = node;
    return typeof $ref === 'string' ? resolve({ ...defs[$ref.slice('#/$defs/'.length)], ...rest }) : node;
  };
  return path.reduce((node, key) => resolve((node as never)[key]), resolve(root));
}

describe('the JSON Schema for editors', () => {
  it('offers values of each kind', () => {
    expect(settingAt('properties', 'drain', 'properties', 'delay')).toMatchObject({
      default: '5s',
      examples: expect.arrayContaining(['250ms', '1m']),
    });
    expect(
      settingAt('properties', 'upstreams', 'additionalProperties', 'properties', 'balance').examples,
    ).toContain('least-connections');
  });

  it('says of what matches no pattern what `check` says', () => {
    expect(settingAt('properties', 'drain', 'properties', 'delay').patternErrorMessage).toBe(
      'is not a duration — write a number and a unit: 250ms, 5s, 1m, 1h or 1d',
    );
    expect(settingAt('properties', 'routes', 'items', 'properties', 'id').patternErrorMessage).toMatch(
      /^is not an id/,
    );
  });

  it('names all policies that may stand alone in a list, each with what it does', () => {
    const entry = settingAt('properties', 'policies', 'items');
    const [names] = (entry.anyOf as Record<string, unknown>[]).flatMap(({ $ref, anyOf }) => {
      const inner =
        $ref === undefined ? anyOf : settingAt('$defs', String($ref).slice('#/$defs/'.length)).anyOf;
      return (inner as Record<string, unknown>[] | undefined) ?? [];
    });
    const listed = names?.$ref === undefined ? names : settingAt('$defs', String(names.$ref).slice(8));
    const offered = (listed?.enum ?? []) as unknown[];
    expect(offered).toEqual(expect.arrayContaining(['request-id', 'jwt', 'authorize']));
    expect(offered).not.toContain('any');
    expect(listed?.enumDescriptions).toHaveLength(offered.length);
  });

  it('defines once what stands at several places, and has an address', () => {
    const schema = editorSchema(builtInPolicies);
    expect(schema.$id).toMatch(/^https:\/\/.*\/sallyport\.schema\.json$/);
    const text = JSON.stringify(schema);
    expect(text.split('is not a duration').length).toBe(2);
    // Each definition that stands at several places stands there once.
    expect(text.length).toBeLessThan(JSON.stringify(gatewayJsonSchema(builtInPolicies)).length / 2);
  });
});
