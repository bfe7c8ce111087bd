import { describe, expect, it } from 'vitest';
import { lookUpTargets } from '../../../src/upstream/discovery/dns-lookup.ts';
import { fc } from '../../support/fast-check.ts';

type Resolver = Parameters<typeof lookUpTargets>[0];

const fault = (code: string): Error => Object.assign(new Error(code), { code });

/** A resolver that gives `addresses` by name, IPv4 alone, and fails with the error where there is one. */
function resolverOf(
  records: readonly { name: string; port: number; priority: number; weight: number }[],
  addresses: Readonly<Record<string, readonly string[] | Error>>,
): Resolver {
  const known = {
    resolve4: async (name: string) => {
      const found = addresses[name] ?? fault('ENOTFOUND');
      if (found instanceof Error) throw found;
      return found.map((address) => ({ address, ttl: 30 }));
    },
    resolve6: async () => {
      throw fault('ENODATA');
    },
  };
  return {
    addresses: known as unknown as Resolver['addresses'],
    findServices: async () => ({ records, ttlSeconds: 60 }),
  };
}

const QUESTION = { name: '_http._tcp.orders.test', type: 'SRV' } as const;
const record = (name: string, port = 80, priority = 1) => ({ name, port, priority, weight: 1 });

describe('the targets of SRV records', () => {
  it('fail as a whole when one name cannot be asked for, since its targets are not known to be gone', async () => {
    const resolver = resolverOf([record('a'), record('b')], { a: ['10.0.0.1'], b: fault('ETIMEOUT') });
    expect(await lookUpTargets(resolver, QUESTION)).toEqual({
      kind: 'failed',
      reason: expect.stringContaining('ETIMEOUT'),
    });
  });

  it('lack those of a name that no longer exists', async () => {
    const resolver = resolverOf([record('a'), record('b')], { a: ['10.0.0.1'] });
    expect(await lookUpTargets(resolver, QUESTION)).toMatchObject({
      kind: 'found',
      targets: [{ host: '10.0.0.1' }],
      remark: 'b has no address — add an A or AAAA record',
    });
  });

  it('are of a higher priority when the lowest one holds only refused records', async () => {
    const resolver = resolverOf([record('a', 0, 1), record('.', 80, 1), record('b', 80, 2)], {
      a: ['10.0.0.1'],
      b: ['10.0.0.2'],
    });
    expect(await lookUpTargets(resolver, QUESTION)).toMatchObject({ targets: [{ host: '10.0.0.2' }] });
  });

  it('are none where the name is not a host name, which nothing repeats', async () => {
    const resolver = resolverOf([record('a\nb', 80), record('-\u0007', 80)], {});
    expect(await lookUpTargets(resolver, QUESTION)).toEqual({
      kind: 'failed',
      reason: 'an SRV record holds what is not a host name — correct it',
    });
  });

  it.each([
    ['the records', 20, 20],
    ['their addresses', 60, 30],
  ])('are good for as long as %s are', async (_, ttlSeconds, expected) => {
    const resolver = {
      ...resolverOf([], { a: ['10.0.0.1'] }),
      findServices: async () => ({ records: [record('a')], ttlSeconds }),
    };
    expect(await lookUpTargets(resolver, QUESTION)).toMatchObject({ ttlSeconds: expected });
  });

  it('never have port 0 or weight 0, whatever the records', async () => {
    const anyRecord = fc.record({
      name: fc.constantFrom('', '.', 'a', 'b', 'gone'),
      port: fc.nat(65535),
      priority: fc.nat(3),
      weight: fc.nat(65535),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyRecord), async (records) => {
        const resolver = resolverOf(records, { a: ['10.0.0.1'], b: ['10.0.0.2', '10.0.0.3'] });
        const answer = await lookUpTargets(resolver, QUESTION);
        if (answer.kind === 'failed') return;
        expect(answer.targets.length).toBeGreaterThan(0);
        for (const { port, weight } of answer.targets) {
          expect(port).toBeGreaterThan(0);
          expect(weight).toBeGreaterThan(0);
        }
      }),
    );
  });
});
