import { describe, expect, it } from 'vitest';
import { compileRedirect, type RedirectRule, type RedirectSource } from '../../src/router/redirect.ts';

const SOURCE: RedirectSource = {
  scheme: 'http',
  publicAuthority: 'api.example.com:8080',
  path: '/v0/a',
  search: '?x=1',
};

function locationOf(
  rule: RedirectRule,
  source: Partial<RedirectSource> = {},
  rest = 'a',
): string | undefined {
  return compileRedirect(rule, ['*'])({ ...SOURCE, ...source }, [rest]);
}

describe('a redirect', () => {
  it.each<[RedirectRule, string]>([
    [{}, 'http://api.example.com:8080/v0/a?x=1'],
    [{ scheme: 'https' }, 'https://api.example.com/v0/a?x=1'],
    [{ scheme: 'https', port: 8443 }, 'https://api.example.com:8443/v0/a?x=1'],
    [{ scheme: 'http' }, 'http://api.example.com:8080/v0/a?x=1'],
    [{ host: 'new.example' }, 'http://new.example:8080/v0/a?x=1'],
    [{ host: '2001:db8::1' }, 'http://[2001:db8::1]:8080/v0/a?x=1'],
    [{ host: '[2001:db8::1]', port: 80 }, 'http://[2001:db8::1]/v0/a?x=1'],
    [{ port: 80 }, 'http://api.example.com/v0/a?x=1'],
    [{ scheme: 'https', port: 443 }, 'https://api.example.com/v0/a?x=1'],
    [{ path: '/orders/{params.*}' }, 'http://api.example.com:8080/orders/a?x=1'],
  ])('%j gives %s', (rule, location) => {
    expect(locationOf(rule)).toBe(location);
  });

  it('keeps a question mark that nothing follows', () => {
    expect(locationOf({}, { search: '?' })).toBe('http://api.example.com:8080/v0/a?');
  });

  it('leaves out the question mark where there is no query', () => {
    expect(locationOf({}, { search: '' })).toBe('http://api.example.com:8080/v0/a');
  });

  it('keeps the public scheme and port behind a proxy', () => {
    const behindProxy = { scheme: 'https', publicAuthority: 'api.example.com:8443' } as const;
    expect(locationOf({ path: '/b' }, behindProxy)).toBe('https://api.example.com:8443/b?x=1');
    expect(locationOf({}, { scheme: 'https', publicAuthority: '[::1]:443' })).toBe('https://[::1]/v0/a?x=1');
  });

  it.each(['/evil.example', '//evil.example/x', '@evil.example', 'evil.example'])(
    'stays on its host whatever the parameter: %s',
    (rest) => {
      const location = locationOf({ path: '/{params.*}' }, {}, rest);
      expect(new URL(location as string).host).toBe('api.example.com:8080');
    },
  );

  it('is none where a value makes another path', () => {
    expect(locationOf({ path: '/{params.*}' }, {}, '..')).toBeUndefined();
  });

  it.each(['', 'a@evil.example', 'a/b', 'a:b:c', 'a b'])(
    'is none for the authority %j',
    (publicAuthority) => {
      expect(locationOf({}, { publicAuthority })).toBeUndefined();
      expect(locationOf({ host: 'h.example' }, { publicAuthority })).toBe('http://h.example/v0/a?x=1');
    },
  );

  it.each(['a:80', '[a:80]', '[::1]:80', 'http://a', 'a/b', 'u@a', '', 'a b'])(
    'refuses the host %j when compiled',
    (host) => {
      expect(() => compileRedirect({ host }, [])).toThrow(TypeError);
    },
  );
});
