import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawClient } from '../support/harness.ts';
import { openRange, request, tokenOf } from './attack-range.ts';

let range: Awaited<ReturnType<typeof openRange>>;

beforeAll(async () => {
  range = await openRange();
});

afterAll(() => range.close());

const BEARER = `Authorization: Bearer ${tokenOf()}`;
const TO_ADMIN = 'GET /admin/a HTTP/1.1\r\nHost: shop.example\r\n\r\n';

describe('a path that would be taken for that of a weaker route', () => {
  it.each([
    ['dots', '/open/../admin/a', 401],
    ['dots at the end', '/admin/a/..', 401],
    ['one dot', '/./admin/./a', 401],
    ['more dots than there are segments', '/open/../../../../admin/a', 401],
    ['encoded dots', '/open/%2e%2e/admin/a', 401],
    ['half encoded dots', '/open/.%2e/admin/a', 401],
    ['encoded dots in capitals', '/open/%2E%2E/admin/a', 401],
    ['two slashes', '//admin/a', 401],
    ['many slashes', '/open/..////admin//a', 401],
    ['dots behind two slashes', '/open//../../admin/a', 401],
    ['letters encoded', '/%61dmin/a', 401],
    ['letters encoded in the middle', '/adm%69n/a', 401],
    ['a slash encoded', '/open/..%2fadmin/a', 400],
    ['a slash encoded in capitals', '/open%2F..%2Fadmin/a', 400],
    ['the first slash encoded', '/%2fadmin/a', 400],
    ['a backslash', '/open/..\\admin/a', 400],
    ['a backslash encoded', '/open/..%5cadmin/a', 400],
    ['a parameter behind dots', '/open/..;/admin/a', 400],
    ['a parameter behind dots, encoded', '/open/..%3b/admin/a', 400],
    ['a parameter', '/admin;x=1/a', 400],
    ['a NUL', '/admin%00/a', 400],
    ['a NUL behind dots', '/open/..%00/admin/a', 400],
    ['a slash in two bytes that are none', '/open/..%c0%afadmin/a', 400],
    ['a dot in two bytes that are none', '/open/%c0%ae%c0%ae/admin/a', 400],
    ['a full-width dot', '/open/%ef%bc%8e%ef%bc%8e/admin/a', 200],
    ['broken percent-encoding', '/open/%2/../admin/a', 400],
    ['percent-encoding of IIS', '/open/%u002e%u002e/admin/a', 400],
    ['a space', '/open/.. /admin/a', 400],
    ['a tab', '/open/..\t/admin/a', 400],
    ['a fragment', '/open#/../admin/a', 400],
    ['a fragment with dots', '/admin/a#/../../open/', 400],
    ['bytes beyond ASCII', '/open/..\xe9/admin/a', 400],
    ['dots in the query', '/open/a?/../../admin/a', 200],
    ['a question mark encoded', '/open/%3f/../../admin/a', 401],
    ['dots encoded twice', '/open/%252e%252e/admin/a', 200],
    ['a slash encoded twice', '/open/..%252fadmin/a', 200],
    ['three dots', '/open/.../admin/a', 200],
    ['a dot behind the name', '/admin./a', 404],
    ['a space behind the name', '/admin%20/a', 404],
    ['another case', '/ADMIN/a', 404],
    ['a full-width letter', '/%EF%BD%81dmin/a', 404],
    ['no slash in front', 'admin/a', 400],
    ['a dot in front', './admin/a', 400],
    ['nothing', '', 400],
  ])('by %s: %s', async (_, path, status) => {
    const { statuses, seen } = await range.attack(request(`GET ${path}`));
    expect(statuses).toEqual([status]);
    // What was let pass is below the open route, and is not there by a spelling that means something else.
    for (const { url } of seen) expect(new URL(url, 'http://a').pathname).toMatch(/^\/open\//);
    expect(seen).toHaveLength(status === 200 ? 1 : 0);
  });

  it.each([
    ['dots', '/public/../a', 401],
    ['encoded dots', '/public/%2e%2e/a', 401],
    ['a parameter', '/public/..;/a', 400],
    ['two slashes and dots', '/public//../../a', 401],
    ['another case', '/PUBLIC/a', 401],
    ['the name as a prefix', '/publicity/a', 401],
    ['an encoded slash', '/public%2f..%2fa', 400],
    ['a dot behind the name', '/public./a', 401],
    ['the query', '/a?/public/a', 401],
    ['a query with a URL', '/a?http://shop.example/public/a', 401],
    ['no path', 'http://shop.example', 401],
  ])('does not leave out what all routes have, by %s: %s', async (_, path, status) => {
    const { statuses, seen } = await range.attackDefault(request(`GET ${path}`));
    expect({ statuses, seen }).toEqual({ statuses: [status], seen: [] });
  });
});

describe('a host that would be taken for a weaker one', () => {
  it.each([
    ['its own name', 'GET /a', 'inner.example', 401],
    ['another case', 'GET /a', 'INNER.Example', 401],
    ['a port', 'GET /a', 'inner.example:8080', 401],
    ['a dot behind it', 'GET /a', 'inner.example.', 401],
    ['a dot and a port', 'GET /a', 'Inner.example.:80', 401],
    ['two dots behind it', 'GET /a', 'inner.example..', 404],
    ['user information', 'GET /a', 'outer.example@inner.example', 400],
    ['user information of ours', 'GET /a', 'inner.example@outer.example', 400],
    ['a path', 'GET /a', 'outer.example/inner.example', 400],
    ['a query', 'GET /a', 'outer.example?inner.example', 400],
    ['a comma', 'GET /a', 'outer.example, inner.example', 400],
    ['a space', 'GET /a', 'outer.example inner.example', 400],
    ['percent-encoding', 'GET /a', 'inner%2eexample', 400],
    ['a NUL', 'GET /a', 'outer.example\0.inner.example', 400],
    ['a port that is none', 'GET /a', 'outer.example:80@inner.example:80', 400],
    ['bytes beyond ASCII', 'GET /a', 'inner.ex\xe4mple', 400],
    ['an absolute target', 'GET http://inner.example/a', 'outer.example', 401],
    ['an absolute target in capitals', 'GET HTTP://INNER.EXAMPLE/a', 'outer.example', 401],
    ['an absolute https target', 'GET https://inner.example/a', 'outer.example', 401],
    [
      'an absolute target with user information',
      'GET http://outer.example@inner.example/a',
      'outer.example',
      400,
    ],
    [
      'an absolute target with a backslash',
      'GET http://outer.example\\@inner.example/a',
      'outer.example',
      400,
    ],
    ['an absolute target with a query for a path', 'GET http://inner.example?/a', 'outer.example', 401],
    ['an absolute target without a host', 'GET http:///a', 'outer.example', 400],
    ['another scheme', 'GET ftp://inner.example/a', 'outer.example', 400],
    ['two slashes in front of it', 'GET //inner.example/a', 'outer.example', 200],
    ['a weaker one in an absolute target', 'GET http://outer.example/a', 'inner.example', 200],
  ])('by %s', async (_, line, host, status) => {
    const { statuses, seen } = await range.attack(request(line, [`Host: ${host}`]));
    expect(statuses).toEqual([status]);
    // The target is told the host by which the route was chosen, and no other.
    for (const each of seen) expect(each.host).toBe('outer.example');
    expect(seen).toHaveLength(status === 200 ? 1 : 0);
  });

  it.each([
    ['two hosts', ['Host: outer.example', 'Host: inner.example'], 400],
    ['two hosts, the other way round', ['Host: inner.example', 'Host: outer.example'], 400],
    ['a second host behind an underscore', ['Host: inner.example', 'X_Forwarded_Host: outer.example'], 401],
    ['a host that a proxy would tell', ['Host: inner.example', 'X-Forwarded-Host: outer.example'], 401],
    ['a host in Forwarded', ['Host: inner.example', 'Forwarded: host=outer.example'], 401],
    ['an empty host', ['Host: '], 400],
    ['the host called hop-by-hop', ['Host: inner.example', 'Connection: Host'], 401],
    ['a folded line', ['Host: outer.example\r\n inner.example'], 400],
  ])('by %s', async (_, fields, status) => {
    const { statuses, seen } = await range.attack(request('GET /a', fields));
    expect({ statuses, seen }).toEqual({ statuses: [status], seen: [] });
  });

  it.each([
    ['GET /admin/a HTTP/1.0\r\n\r\n', [401]],
    ['GET /a HTTP/1.0\r\nHost: inner.example\r\n\r\n', [401]],
    ['GET http://inner.example/a HTTP/1.0\r\n\r\n', [401]],
    ['GET /a HTTP/1.0\r\n\r\n', [404]],
    ['GET /admin/a HTTP/1.1\r\n\r\n', [400]],
    ['GET /admin/a\r\n\r\n', [505]],
    ['GET /admin/a HTTP/0.9\r\n\r\n', [505]],
  ])('by an old version: %j', async (bytes, statuses) => {
    const attacked = await range.attack(bytes);
    expect(attacked.seen).toEqual([]);
    expect(attacked.statuses).toEqual(statuses);
  });
});

describe('a method that would be taken for a weaker one', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY', 'PROPFIND', 'PURGE'])(
    '%s on a protected route is refused like all others',
    async (method) => {
      for (const attack of [
        await range.attack(request(`${method} /jwt/a`)),
        await range.attackDefault(request(`${method} /a`)),
      ])
        expect({ statuses: attack.statuses, seen: attack.seen }).toEqual({ statuses: [401], seen: [] });
    },
  );

  it.each([
    ['a small one', 'get /jwt/a', [400, 501]],
    ['TRACE', 'TRACE /jwt/a', [501]],
    ['CONNECT', 'CONNECT inner.example:80', [400, 501]],
    ['one that nobody knows', 'HACK /jwt/a', [400, 501]],
    ['one with a space behind it', 'GET  /jwt/a', [400]],
  ])('%s', async (_, line, statuses) => {
    const { statuses: found, seen } = await range.attack(request(line));
    expect(statuses).toContain(found[0]);
    expect(seen).toEqual([]);
  });

  it.each([
    'X-HTTP-Method-Override: DELETE',
    'X-HTTP-Method: DELETE',
    'X-Method-Override: DELETE',
    'x_http_method_override: DELETE',
  ])('is not put upon the service behind the back of the routes: %s', async (field) => {
    // Reading needs no token here, all other methods do.
    const { statuses, seen } = await range.attack(request('POST /items/1', [field]));
    expect(statuses).toEqual([200]);
    expect(seen.map(({ method }) => method)).toEqual(['POST']);
    expect(JSON.stringify(seen)).not.toContain('DELETE');
  });

  it.each([
    'X-Original-URL: /admin/a',
    'X-Rewrite-URL: /admin/a',
    'x_original_url: /admin/a',
    'X-Override-URL: /admin/a',
  ])('nor is another path: %s', async (field) => {
    const { statuses, seen } = await range.attack(request('GET /open/a', [field]));
    expect(statuses).toEqual([200]);
    expect(JSON.stringify(seen)).not.toContain('/admin');
    const denied = await range.attack(request('GET /admin/a', [field.replace('/admin/a', '/open/a')]));
    expect([denied.statuses, denied.seen]).toEqual([[401], []]);
  });

  it('a preflight that is none runs into the policies', async () => {
    const origin = 'Origin: https://app.example';
    const asks = 'Access-Control-Request-Method: GET';
    for (const [line, fields] of [
      ['OPTIONS /cors/a', [origin]],
      ['OPTIONS /cors/a', [asks]],
      ['GET /cors/a', [origin, asks]],
      ['POST /cors/a', [origin, asks, 'X-HTTP-Method-Override: OPTIONS']],
      ['OPTIONS /jwt/a', [origin, asks]],
    ] as const) {
      const { statuses, seen } = await range.attack(request(line, fields));
      expect({ line, fields, statuses, seen }).toEqual({ line, fields, statuses: [401], seen: [] });
    }
  });

  it.each([
    ['of an origin that may', 'https://app.example', 'GET'],
    ['of an origin that may not', 'https://evil.example', 'GET'],
    ['for a method that is none', 'https://app.example', 'GET\x80'],
    ['with a body', 'https://app.example', 'POST'],
  ])('a preflight %s never reaches the target', async (what, origin, method) => {
    const body = what === 'with a body' ? ['Content-Length: 1'] : [];
    const fields = [`Origin: ${origin}`, `Access-Control-Request-Method: ${method}`, ...body];
    const { statuses, seen } = await range.attack(request('OPTIONS /cors/a', fields, body.length ? 'x' : ''));
    expect(statuses).toHaveLength(1);
    expect(seen).toEqual([]);
  });
});

describe('a request hidden within another', () => {
  const post = (fields: readonly string[], body: string, path = '/open/a') =>
    `POST ${path} HTTP/1.1\r\nHost: shop.example\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`;
  const length = `Content-Length: ${TO_ADMIN.length}`;

  it.each([
    ['both lengths', [length, 'Transfer-Encoding: chunked'], `0\r\n\r\n${TO_ADMIN}`],
    [
      'both lengths, the other way round',
      ['Transfer-Encoding: chunked', 'Content-Length: 4'],
      `0\r\n\r\n${TO_ADMIN}`,
    ],
    ['two lengths', ['Content-Length: 0', length], TO_ADMIN],
    ['the same length twice', [length, length], TO_ADMIN],
    ['a list of lengths', [`Content-Length: 0, ${TO_ADMIN.length}`], TO_ADMIN],
    ['a length with a sign', ['Content-Length: +0'], TO_ADMIN],
    ['a hexadecimal length', ['Content-Length: 0x0'], TO_ADMIN],
    ['another coding', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${TO_ADMIN}`],
    ['two codings', ['Transfer-Encoding: gzip, chunked'], `0\r\n\r\n${TO_ADMIN}`],
    ['a coding twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${TO_ADMIN}`],
    ['a space before the colon', ['Transfer-Encoding : chunked', length], `0\r\n\r\n${TO_ADMIN}`],
    ['a vertical tab before the coding', ['Transfer-Encoding: \x0bchunked'], `0\r\n\r\n${TO_ADMIN}`],
    ['a folded coding', ['Transfer-Encoding:\r\n chunked'], `0\r\n\r\n${TO_ADMIN}`],
    ['a bare line feed', ['X: y\nTransfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${TO_ADMIN}`],
    ['a chunk size that is too much', ['Transfer-Encoding: chunked'], `10000000000000000\r\n${TO_ADMIN}`],
    ['a chunk size with a sign', ['Transfer-Encoding: chunked'], `-1\r\n${TO_ADMIN}`],
    ['a chunk that ends in a bare line feed', ['Transfer-Encoding: chunked'], `1\r\nx\n0\r\n\r\n${TO_ADMIN}`],
  ])('by %s', async (_, fields, body) => {
    const { statuses, seen } = await range.attack(post(fields, body));
    expect(statuses).toEqual([400]);
    expect(seen.filter(({ url }) => url !== '/open/a')).toEqual([]);
  });

  it.each([
    ['an underscore in the length', ['Content_Length: 0', length]],
    ['an underscore in the coding', ['Transfer_Encoding: chunked', length]],
    ['the length called hop-by-hop', ['Connection: Content-Length', length]],
  ])('stays a body: by %s', async (_, fields) => {
    const bytes = post([...fields, 'Connection: close'], TO_ADMIN);
    const { statuses, seen } = await range.attack(bytes);
    expect(statuses).toEqual([200]);
    expect(seen.map(({ url, body }) => [url, body])).toEqual([['/open/a', TO_ADMIN]]);
  });

  it('is not a request as the body of one that was refused', async () => {
    const hidden = request('GET /open/hidden');
    const bytes = post([`Content-Length: ${hidden.length}`, 'Connection: close'], hidden, '/jwt/a');
    const { statuses, seen } = await range.attack(bytes);
    expect([statuses, seen]).toEqual([[401], []]);
  });

  it('is judged by itself where it stands behind one that was refused, or one that was not', async () => {
    const refused = request('GET /jwt/a').replace('Connection: close\r\n', '');
    const good = request('GET /jwt/b', [BEARER]).replace('Connection: close\r\n', '');
    const { statuses, seen } = await range.attack(refused + good + refused + request('GET /open/a'));
    expect(statuses).toEqual([401, 200, 401, 200]);
    expect(seen.map(({ url }) => url)).toEqual(['/jwt/b', '/open/a']);
  });

  it('is none behind an upgrade that was refused', async () => {
    const upgrade = [
      'GET /jwt/a HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket',
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ].join('\r\n');
    const { statuses, seen, received } = await range.attack(upgrade + request('GET /admin/a'));
    expect(seen).toEqual([]);
    expect(received).not.toContain(' 101 ');
    expect(new Set(statuses)).toEqual(new Set([401]));
  });

  it('an upgrade to HTTP/2 is not taken', async () => {
    const fields = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'];
    const bytes = request('GET /open/a', fields).replace(
      'Connection: close',
      'Connection: Upgrade, HTTP2-Settings, close',
    );
    const { statuses, seen, received } = await range.attack(`${bytes}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`);
    expect([statuses, received.includes(' 101 ')]).toEqual([[200], false]);
    expect(seen.map(({ fields: sent }) => sent.filter((line) => /^(upgrade|http2)/i.test(line)))).toEqual([
      [],
    ]);
  });

  it('a body that waits for 100 is never asked for without a good token', async () => {
    for (const field of ['X: y', 'Authorization: Bearer a.b.c']) {
      range.forget();
      const client = await RawClient.connect(range.port);
      client.write(post([field, 'Expect: 100-continue', 'Content-Length: 4'], '', '/jwt/a'));
      await client.until((received) => received.includes('\r\n\r\n'));
      client.write('evil');
      client.end();
      const received = await client.ended();
      expect(received).toMatch(/^HTTP\/1\.1 401 /);
      expect(received).not.toContain(' 100 ');
      expect(range.seen()).toEqual([]);
    }
  });
});
