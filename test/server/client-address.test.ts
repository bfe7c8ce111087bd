import { describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import { compileTrustedProxies, publicAuthorityOf } from '../../src/server/client-address.ts';
import { fc } from '../support/fast-check.ts';

const EVERYTHING = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'];
const resolve = compileTrustedProxies({
  addresses: ['10.0.0.0/8', '2001:db8:1::/48', '192.0.2.7'],
  writes: EVERYTHING,
});

function addressFor(peer: string, forwardedFor: string): string {
  return resolve(peer, HeaderList.from({ 'X-Forwarded-For': forwardedFor })).address;
}

describe('the client address', () => {
  it('is the peer, and nothing is believed, when the peer is not trusted', () => {
    const headers = HeaderList.from({
      'x-forwarded-for': '198.51.100.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-port': '8443',
    });
    const nothing = { isTrusted: false, scheme: undefined, host: undefined, port: undefined };
    expect(resolve('203.0.113.9', headers)).toEqual({ address: '203.0.113.9', ...nothing });
    expect(compileTrustedProxies({ addresses: [], writes: EVERYTHING })('10.0.0.1', headers)).toEqual({
      address: '10.0.0.1',
      ...nothing,
    });
  });

  it('is the last hop that is not trusted, whatever stands before it', () => {
    expect(addressFor('10.0.0.1', '198.51.100.1')).toBe('198.51.100.1');
    expect(addressFor('10.0.0.1', '6.6.6.6, 198.51.100.1')).toBe('198.51.100.1');
    expect(addressFor('10.0.0.1', '6.6.6.6,198.51.100.1,\t10.2.3.4 , 192.0.2.7')).toBe('198.51.100.1');
    expect(addressFor('192.0.2.7', '2001:DB8:2:0::1, 2001:db8:1::5')).toBe('2001:db8:2::1');
  });

  it('is the farthest hop when all are trusted', () => {
    expect(addressFor('10.0.0.1', '10.9.9.9, 10.2.3.4')).toBe('10.9.9.9');
  });

  it.each([
    '',
    ',',
    'unknown',
    '300.1.1.1',
    '010.0.0.1',
    '10.0.0.5%a',
    'fe80::1%eth0',
    '[10.0.0.5]:1',
    '[::1',
    'a.b:80',
  ])('stays at the last good hop before %j', (entry) => {
    expect(addressFor('10.0.0.1', entry)).toBe('10.0.0.1');
    expect(addressFor('10.0.0.1', `198.51.100.1, ${entry}, 10.2.3.4`)).toBe('10.2.3.4');
  });

  it('reads hops with ports', () => {
    expect(addressFor('10.0.0.1', '198.51.100.1:4711')).toBe('198.51.100.1');
    expect(addressFor('10.0.0.1', '[2001:db8:2::1]:4711')).toBe('2001:db8:2::1');
    expect(addressFor('10.0.0.1', '[2001:db8:2::1]')).toBe('2001:db8:2::1');
  });

  it('joins repeated fields in order', () => {
    const headers = HeaderList.from([
      ['X-Forwarded-For', '6.6.6.6'],
      ['X-Forwarded-For', '198.51.100.1'],
    ]);
    expect(resolve('10.0.0.1', headers).address).toBe('198.51.100.1');
  });

  it('does not take a field with underscores for the proxy’s own', () => {
    const headers = HeaderList.from([
      ['X-Forwarded-For', '198.51.100.1'],
      ['X_Forwarded_For', '6.6.6.6'],
    ]);
    expect(resolve('10.0.0.1', headers).address).toBe('198.51.100.1');
  });

  it('never reads Forwarded', () => {
    const headers = HeaderList.from({ forwarded: 'for=6.6.6.6;proto=https' });
    expect(resolve('10.0.0.1', headers)).toMatchObject({ address: '10.0.0.1', scheme: undefined });
  });

  it('writes IPv4-mapped addresses as IPv4, and trusts them as such', () => {
    expect(addressFor('::ffff:10.0.0.1', '::FFFF:c633:6401')).toBe('198.51.100.1');
    expect(resolve('::ffff:203.0.113.9', HeaderList.from()).address).toBe('203.0.113.9');
  });

  it('does not find IPv4 addresses in IPv6 blocks, nor the other way round', () => {
    const mixed = compileTrustedProxies({ addresses: ['::/64', '0.0.0.0/0'], writes: EVERYTHING });
    expect(
      compileTrustedProxies({ addresses: ['::/64'], writes: EVERYTHING })('8.8.8.8', HeaderList.from())
        .isTrusted,
    ).toBe(false);
    expect(mixed('2001:db8::1', HeaderList.from()).isTrusted).toBe(false);
    expect(mixed('8.8.8.8', HeaderList.from()).isTrusted).toBe(true);
  });

  it('goes on after more peers than it remembers', () => {
    const local = compileTrustedProxies({ addresses: ['10.0.0.0/16'], writes: EVERYTHING });
    for (let i = 0; i < 3000; i++) {
      const peer = `10.${i % 2}.${i >> 8}.${i & 255}`;
      expect(local(peer, HeaderList.from()).isTrusted).toBe(i % 2 === 0);
    }
  });

  it('never comes from left of the hop that a trusted proxy appended', () => {
    fc.assert(
      fc.property(fc.string(), fc.ipV4(), (sent, real) => {
        fc.pre(!real.startsWith('10.') && real !== '192.0.2.7');
        const clean = sent.replace(/[^\t\x20-\x7e]/g, '');
        expect(addressFor('10.0.0.1', `${clean}, ${real}`)).toBe(real);
      }),
    );
  });
});

describe('what trusted proxies say', () => {
  it.each([
    ['https', 'https'],
    ['HTTP', 'http'],
    ['wss', 'https'],
    ['https, http', 'http'],
    ['ftp', undefined],
    ['constructor', undefined],
    ['', undefined],
  ])('takes the scheme %j as %j', (value, scheme) => {
    expect(resolve('10.0.0.1', HeaderList.from({ 'x-forwarded-proto': value })).scheme).toBe(scheme);
  });

  it.each([
    ['API.example.com', 'api.example.com', undefined],
    ['api.example.com:8443', 'api.example.com', 8443],
    ['[2001:db8::1]:8443', '[2001:db8::1]', 8443],
    ['evil.example, api.example.com', 'api.example.com', undefined],
    ['user@evil.example', undefined, undefined],
    ['evil.example/path', undefined, undefined],
    ['a b', undefined, undefined],
  ])('takes the host %j as %j, port %j', (value, host, port) => {
    expect(resolve('10.0.0.1', HeaderList.from({ 'x-forwarded-host': value }))).toMatchObject({ host, port });
  });

  it.each([
    ['8443', 8443],
    ['1, 443', 443],
    ['0', undefined],
    ['65536', undefined],
    ['80x', undefined],
  ])('takes the port %j as %j', (value, port) => {
    expect(resolve('10.0.0.1', HeaderList.from({ 'x-forwarded-port': value })).port).toBe(port);
  });

  it('prefers the stated port to that of the stated host', () => {
    const headers = HeaderList.from({ 'x-forwarded-host': 'a.example:1', 'x-forwarded-port': '2' });
    expect(resolve('10.0.0.1', headers)).toMatchObject({ host: 'a.example', port: 2 });
  });

  it.each([
    [{}, 'http', 'Own.example:8080', 'Own.example:8080'],
    [{ 'x-forwarded-port': '8443' }, 'https', 'own.example', 'own.example:8443'],
    [{ 'x-forwarded-port': '443' }, 'https', 'own.example:8080', 'own.example'],
    [{ 'x-forwarded-host': 'public.example' }, 'https', 'own:8080', 'public.example'],
    [{ 'x-forwarded-host': 'public.example:8443' }, 'https', 'own:8080', 'public.example:8443'],
    [{ 'x-forwarded-host': 'public.example:80' }, 'http', '', 'public.example'],
    [{ 'x-forwarded-port': '8443' }, 'https', '', ''],
  ] as const)('joins %j for %s and own authority %j to %j', (fields, scheme, own, authority) => {
    const origin = resolve('10.0.0.1', HeaderList.from(fields as Record<string, string>));
    expect(publicAuthorityOf(origin, scheme, own)).toBe(authority);
  });
});

describe('a list of trusted proxies', () => {
  it.each([
    '',
    'proxy.local',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::/129',
    'fe80::1%eth0/64',
  ])('refuses %j with a remedy', (cidr) => {
    expect(() => compileTrustedProxies({ addresses: [cidr], writes: EVERYTHING })).toThrow(
      /is not an address or range/,
    );
  });

  it.each(['::ffff:10.0.0.0/104', '::ffff:0:0/96'])('refuses the IPv4-mapped block %s', (cidr) => {
    expect(() => compileTrustedProxies({ addresses: [cidr], writes: EVERYTHING })).toThrow(/without ::ffff:/);
  });
});
