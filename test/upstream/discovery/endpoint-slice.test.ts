import { describe, expect, it } from 'vitest';
import {
  chooseEndpoints,
  type Endpoint,
  type EndpointChoice,
  type EndpointPort,
  type EndpointSlice,
} from '../../../src/upstream/discovery/endpoint-slice.ts';
import { fc } from '../../support/fast-check.ts';

function sliceOf(
  endpoints: readonly Endpoint[] | null,
  {
    ports = [{ name: 'http', port: 8080 }],
    addressType = 'IPv4',
  }: { ports?: EndpointPort[] | null; addressType?: string } = {},
): EndpointSlice {
  return { metadata: { name: 'orders-x', resourceVersion: '1' }, addressType, endpoints, ports };
}

const endpoint = (address: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [address],
  ...more,
});
const hosts = (slices: EndpointSlice[], choice: EndpointChoice = { port: 'http' }): string[] =>
  chooseEndpoints(slices, choice).targets.map(({ host, port }) => `${host}:${port}`);

describe('the readiness of endpoints', () => {
  it('is taken for given where the API does not say', () => {
    const slice = sliceOf([
      endpoint('10.0.0.1'),
      endpoint('10.0.0.2', { conditions: {} }),
      endpoint('10.0.0.3', { conditions: { ready: null } }),
    ]);
    expect(hosts([slice])).toHaveLength(3);
  });

  it('leaves out what is not ready, and what terminates while others are ready', () => {
    const slice = sliceOf([
      endpoint('10.0.0.1', { conditions: { ready: true, serving: true, terminating: false } }),
      endpoint('10.0.0.2', { conditions: { ready: false, serving: false, terminating: false } }),
      endpoint('10.0.0.3', { conditions: { ready: false, serving: true, terminating: true } }),
    ]);
    expect(hosts([slice])).toEqual(['10.0.0.1:8080']);
  });

  it('lets what terminates serve on when there is nothing else, as long as it can', () => {
    const slice = sliceOf([
      endpoint('10.0.0.1', { conditions: { ready: false, serving: true, terminating: true } }),
      endpoint('10.0.0.2', { conditions: { ready: false, serving: false, terminating: true } }),
      endpoint('10.0.0.3', { conditions: { ready: false, serving: true, terminating: false } }),
    ]);
    expect(hosts([slice])).toEqual(['10.0.0.1:8080']);
  });

  it('names no endpoint when none can serve, and says why', () => {
    const slice = sliceOf([endpoint('10.0.0.1', { conditions: { ready: false } })]);
    expect(chooseEndpoints([slice], { port: 'http' })).toEqual({
      targets: [],
      remark: 'none of its 1 endpoints is ready — see its pods',
    });
  });
});

describe('the port of endpoints', () => {
  it('is found by the name of the port or by its number, in each slice anew', () => {
    const first = sliceOf([endpoint('10.0.0.1')], {
      ports: [
        { name: 'metrics', port: 9090 },
        { name: 'http', port: 8080 },
      ],
    });
    const second = sliceOf([endpoint('10.0.0.2')], { ports: [{ name: 'http', port: 8081 }] });
    expect(hosts([first, second])).toEqual(['10.0.0.1:8080', '10.0.0.2:8081']);
    expect(hosts([first, second], { port: 8081 })).toEqual(['10.0.0.2:8081']);
  });

  it('is none that speaks UDP, and none without a number', () => {
    const udp = sliceOf([endpoint('10.0.0.1')], { ports: [{ name: 'http', port: 53, protocol: 'UDP' }] });
    const all = sliceOf([endpoint('10.0.0.2')], { ports: [{ name: 'http', port: null }] });
    expect(hosts([udp, all])).toEqual([]);
  });

  it('is named with those there are when it is missing', () => {
    const slice = sliceOf([endpoint('10.0.0.1')], {
      ports: [
        { name: 'web', port: 80 },
        { name: '', port: 9090 },
      ],
    });
    expect(chooseEndpoints([slice], { port: 'http' }).remark).toBe(
      'it has no port http — use one of: 9090, web',
    );
  });

  it('makes targets secure whose application protocol is https', () => {
    const slice = sliceOf([endpoint('10.0.0.1')], {
      ports: [{ name: 'http', port: 8443, appProtocol: 'https' }],
    });
    expect(chooseEndpoints([slice], { port: 'http' }).targets).toEqual([
      { host: '10.0.0.1', port: 8443, isSecure: true },
    ]);
  });
});

describe('the zone of endpoints', () => {
  const near = endpoint('10.0.0.1', { zone: 'a', hints: { forZones: [{ name: 'a' }] } });
  const far = endpoint('10.0.0.2', { zone: 'b', hints: { forZones: [{ name: 'b' }] } });

  it('is passed on, with the name of the service where one is given', () => {
    const slice = sliceOf([endpoint('10.0.0.1', { zone: 'a' })]);
    expect(chooseEndpoints([slice], { port: 'http', name: 'orders.shop.svc' }).targets).toEqual([
      { host: '10.0.0.1', port: 8080, zone: 'a', name: 'orders.shop.svc' },
    ]);
  });

  it('narrows them to those hinted for ours', () => {
    expect(hosts([sliceOf([near, far])], { port: 'http', zone: 'a' })).toEqual(['10.0.0.1:8080']);
  });

  it.each([
    ['we are in none', [near, far], undefined],
    ['none is hinted for ours', [near, far], 'c'],
    ['one has no hint', [near, far, endpoint('10.0.0.3')], 'a'],
  ])('does not narrow them when %s', (_, endpoints, zone) => {
    expect(hosts([sliceOf(endpoints)], { port: 'http', zone })).toHaveLength(endpoints.length);
  });
});

describe('slices', () => {
  it('of both families give the IPv4 addresses, those of IPv6 alone the others', () => {
    const ipv4 = sliceOf([endpoint('10.0.0.1')]);
    const ipv6 = sliceOf([endpoint('fd00::1')], { addressType: 'IPv6' });
    expect(hosts([ipv6, ipv4])).toEqual(['10.0.0.1:8080']);
    expect(hosts([ipv6])).toEqual(['fd00::1:8080']);
  });

  it('that are empty, or of names, give nothing', () => {
    const slices = [
      sliceOf(null),
      sliceOf([], { ports: null }),
      sliceOf([endpoint('a.test')], { addressType: 'FQDN' }),
    ];
    expect(hosts(slices)).toEqual([]);
    expect(chooseEndpoints([], { port: 'http' }).remark).toContain('it has no endpoints');
  });

  it('give the first address of an endpoint, since the others are the same one', () => {
    expect(hosts([sliceOf([{ addresses: ['10.0.0.1', '10.0.0.2'] }])])).toEqual(['10.0.0.1:8080']);
  });

  it('give either targets or a remark, whatever is in them', () => {
    const maybe = fc.constantFrom(true, false, null);
    const anyEndpoint = fc.record({
      addresses: fc.array(fc.ipV4(), { maxLength: 2 }),
      conditions: fc.record({ ready: maybe, serving: maybe, terminating: maybe }, { requiredKeys: [] }),
      hints: fc.record({ forZones: fc.array(fc.record({ name: fc.constantFrom('a', 'b') })) }),
    });
    const anySlice = fc.record({
      metadata: fc.constant({ name: 'x', resourceVersion: '1' }),
      addressType: fc.constantFrom('IPv4', 'IPv6', 'FQDN'),
      endpoints: fc.option(fc.array(anyEndpoint)),
      ports: fc.option(
        fc.array(fc.record({ name: fc.constantFrom('http', 'x', null), port: fc.option(fc.nat(9)) })),
      ),
    });
    fc.assert(
      fc.property(fc.array(anySlice), fc.constantFrom(undefined, 'a'), (slices, zone) => {
        const { targets, remark } = chooseEndpoints(slices, { port: 'http', zone });
        expect(remark === undefined).toBe(targets.length > 0);
      }),
    );
  });
});
