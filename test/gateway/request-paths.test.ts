import { describe, expect, it } from 'vitest';
import { rawRequest, startGatewayTo, startTarget } from '../support/harness.ts';

const DENIED = [{ 'ip-filter': { deny: ['0.0.0.0/0', '::/0'] } }];

/** Asks for each target and tells what the service got, or the status of the rejection. */
async function ask(config: Parameters<typeof startGatewayTo>[1], targets: readonly string[]) {
  const service = await startTarget((request, response) => response.end(`<${request.url}>`));
  const { port } = await startGatewayTo(service, config);
  const answers: string[] = [];
  for (const target of targets) {
    const text = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const received = await rawRequest(port, Buffer.from(text, 'latin1').toString('latin1'));
    answers.push(/<(.*)>/.exec(received)?.[1] ?? received.slice(9, 12));
  }
  return answers;
}

describe('one path', () => {
  it('is what RFC 3986 allows raw in a segment, and its percent form, to literals and parameters', async () => {
    const routes = [
      { id: 'purge', path: '/v1/items:purge', upstream: 'service', policies: DENIED },
      { id: 'root', path: '/users/@root', upstream: 'service', policies: DENIED },
      { id: 'calc', path: '/calc/%21%24%26%27%28%29%2B%2C%3D', upstream: 'service', policies: DENIED },
      { id: 'star', path: '/calc/%2A', upstream: 'service', policies: DENIED },
      { id: 'rest', path: '/*', upstream: 'service' },
    ];
    const spellings = [
      ...['/v1/items:purge', '/v1/items%3Apurge', '/v1/items%3apurge', '/users/@root', '/users/%40root'],
      ...["/calc/!$&'()+,=", '/calc/%21%24%26%27%28%29%2B%2C%3D', '/calc/*', '/calc/%2a'],
    ];
    expect(new Set(await ask({ routes }, spellings))).toEqual(new Set(['403']));
    expect(await ask({ routes }, ['/x%3Ay', '/x%3by', '/x%2fy'])).toEqual(['/x:y', '400', '400']);
  });

  it('gives a rewrite what * stood for, which is empty for the path above it', async () => {
    const routes = [{ id: 'a', path: '/a/*', upstream: 'service', rewrite: '/v1/{params.*}' }];
    expect(await ask({ routes }, ['/a', '/a/', '/a/b', '/a/b/', '/a/b/c'])).toEqual([
      ...['/v1/', '/v1/', '/v1/b', '/v1/b/', '/v1/b/c'],
    ]);
  });

  it('is what policies see, whatever the spelling of a parameter', async () => {
    const claim = { limit: 1, window: '1h', key: 'param:name' };
    const routes = [{ id: 'r', path: '/u/:name', upstream: 'service', policies: [{ 'rate-limit': claim }] }];
    expect(await ask({ routes }, ['/u/a@b', '/u/a%40b', '/u/a:b'])).toEqual(['/u/a@b', '429', '/u/a:b']);
  });
});

describe('a route in any case', () => {
  it('forwards what the client wrote, and strips its prefix in any case', async () => {
    const routes = [
      { id: 'admin', path: '/admin/*', caseSensitive: false, upstream: 'service', policies: DENIED },
      { id: 'api', path: '/api/v1/*', caseSensitive: false, upstream: 'service', stripPrefix: '/api' },
      { id: 'rest', path: '/*', upstream: 'service' },
    ];
    const asked = ['/ADMIN/a', '/Admin', '/API/v1/X', '/api/V1', '/aPi/V2/X'];
    expect(await ask({ routes }, asked)).toEqual(['403', '403', '/v1/X', '/V1', '/aPi/V2/X']);
  });

  it('may be the rule for all, as a slash at the end that is the same', async () => {
    const paths = { caseSensitive: false, trailingSlash: 'same' as const };
    const routes = [
      { id: 'admin', path: '/admin/users', upstream: 'service', policies: DENIED },
      {
        id: 'exact',
        path: '/exact',
        caseSensitive: true,
        trailingSlash: 'exact' as const,
        upstream: 'service',
      },
    ];
    const asked = ['/Admin/users', '/admin/users/', '/ADMIN/USERS/', '/exact', '/Exact', '/exact/'];
    expect(await ask({ paths, routes }, asked)).toEqual(['403', '403', '403', '/exact', '404', '404']);
  });
});

describe('a listener that says so', () => {
  const listening = (rules: object) => ({ listeners: [{ port: 0, ...rules }] });

  it('refuses what decodes twice', async () => {
    const config = listening({ allowEncoded: { doubleEncoded: false } });
    const targets = ['/public/%252e%252e/admin', '/..%255c', '/a%2520b', '/100%25'];
    expect(await ask(config, targets)).toEqual(['400', '400', '400', '/100%25']);
    expect(await ask({}, targets)).toEqual(targets);
  });

  it('keeps several slashes, through a rewrite too', async () => {
    const routes = [
      { id: 'unsafe', path: '/unsafe/*', upstream: 'service', rewrite: '/img/{params.*}' },
      { id: 'rest', path: '/*', upstream: 'service' },
    ];
    const config = { ...listening({ mergeSlashes: false }), routes };
    const targets = ['/unsafe/https://host/a.jpg', '/unsafe', '/x//y', '//x', '/x//../y'];
    expect(await ask(config, targets)).toEqual(['/img/https://host/a.jpg', '/img/', '/x//y', '//x', '400']);
  });

  it('takes bytes that are not UTF-8, which policies see in their percent forms', async () => {
    const limit = { limit: 1, window: '1h', key: 'param:name' };
    const routes = [{ id: 'r', path: '/:name', upstream: 'service', policies: [{ 'rate-limit': limit }] }];
    const config = { ...listening({ allowEncoded: { invalidUtf8: true } }), routes };
    expect(await ask(config, ['/%ff', '/%FF', '/%fe'])).toEqual(['/%FF', '429', '/%FE']);
    expect(await ask({ routes }, ['/%ff'])).toEqual(['400']);
  });

  it('takes raw bytes in a query, and forwards them encoded', async () => {
    expect(await ask(listening({ rawQuery: true }), ['/?q=\xc3\xbc', '/\xc3\xbc'])).toEqual([
      '/?q=%C3%BC',
      '400',
    ]);
    expect(await ask({}, ['/?q=\xc3\xbc'])).toEqual(['400']);
  });

  it('takes them wherever the head is cut, and refuses what is not a query', async () => {
    const service = await startTarget((request, response) => response.end(`<${request.url}>`));
    const { port } = await startGatewayTo(service, listening({ rawQuery: true }));
    const head = 'GET /a?\xff=\xc3\xbc?\xbc HTTP/1.1\r\nHost: a\r\nX: \xff\r\nConnection: close\r\n\r\n';
    for (const pieces of [[head], [...head], [head.slice(0, 11), head.slice(11)]])
      expect(await rawRequest(port, pieces)).toContain('</a?%FF=%C3%BC?%BC>');
    for (const line of ['GET /\xff?\xff HTTP/1.1', 'G\xff /?\xff HTTP/1.1', 'GET /?\xff HTTP/1.1\xff'])
      expect(await rawRequest(port, `${line}\r\nHost: a\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  });
});
