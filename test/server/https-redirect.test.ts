import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { type RedirectFacts, redirectToHttps } from '../../src/server/https-redirect.ts';
import { fc } from '../support/fast-check.ts';

const facts: RedirectFacts = {
  scheme: 'http',
  publicAuthority: 'api.example.com:8080',
  path: '/orders/1',
  search: '?page=2&page=3',
};

function locationOf(changed: Partial<RedirectFacts>, port = 8443): string | undefined {
  const reply = redirectToHttps({ ...facts, ...changed }, port);
  if (!reply || reply instanceof GatewayError) return undefined;
  expect(reply.status).toBe(308);
  return (reply.headers as Record<string, string>).location;
}

describe('redirectToHttps', () => {
  it('sends the client to the same host, path and query on the configured port', () => {
    expect(locationOf({})).toBe('https://api.example.com:8443/orders/1?page=2&page=3');
  });

  it('keeps a question mark that nothing follows', () => {
    expect(locationOf({ search: '?' }, 443)).toBe('https://api.example.com/orders/1?');
  });

  it('leaves out port 443 and an empty query', () => {
    expect(locationOf({ search: '' }, 443)).toBe('https://api.example.com/orders/1');
  });

  it('keeps the brackets of an IPv6 host and replaces its port', () => {
    expect(locationOf({ publicAuthority: '[2001:db8::1]:8080', search: '' })).toBe(
      'https://[2001:db8::1]:8443/orders/1',
    );
    expect(locationOf({ publicAuthority: '[::1]', search: '' }, 443)).toBe('https://[::1]/orders/1');
  });

  it('does not redirect again what reached a trusted proxy by https', () => {
    expect(redirectToHttps({ ...facts, scheme: 'https' }, 443)).toBeUndefined();
  });

  it('lets ACME challenges pass, and only them', () => {
    expect(redirectToHttps({ ...facts, path: '/.well-known/acme-challenge/abc' }, 443)).toBeUndefined();
    expect(locationOf({ path: '/.well-known/acme-challenges', search: '' })).toBe(
      'https://api.example.com:8443/.well-known/acme-challenges',
    );
  });

  it('redirects OPTIONS * to the host alone', () => {
    expect(locationOf({ path: '*', search: '' }, 443)).toBe('https://api.example.com');
  });

  it.each([
    '',
    'user@evil.test',
    'a.test/evil',
    'a.test\\evil',
    'a test',
    'a.test:99999x',
    'a\r\nb',
    ':8080',
  ])('answers 400 when the host is %j', (publicAuthority) => {
    expect(redirectToHttps({ ...facts, publicAuthority }, 443)).toMatchObject({ code: 'GW_BAD_HOST' });
  });

  it('never leaves the host that was asked for, whatever the path', () => {
    fc.assert(
      fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
        const location = new URL(
          locationOf({ path: `/${path}`, search: query === '' ? '' : `?${query}` }) ?? '',
        );
        expect(location.protocol).toBe('https:');
        expect(location.host).toBe('api.example.com:8443');
      }),
    );
  });
});
