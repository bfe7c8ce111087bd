import { describe, expect, it, vi } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import {
  compileRouter,
  compileRouterSync,
  type RouteResult,
  type Router,
  type RouterEntry,
} from '../../src/router/router.ts';

type Written = Omit<RouterEntry<string>, 'order' | 'value'> & { readonly id?: string };

/** Routes in the order written; each stands for its id, else for its path. */
function routerOf(...routes: (string | Written)[]): Router<string> {
  return compileRouterSync(
    routes.map((route, order) => {
      const { id, ...rest } = typeof route === 'string' ? { path: route, id: route } : route;
      return { ...rest, order, value: id ?? rest.path };
    }),
  );
}

interface Asked {
  readonly host?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly query?: string;
}

function ask(router: Router<string>, path: string, asked: Asked = {}): RouteResult<string> {
  const { host = 'example.com', method = 'GET', headers = {}, query = '' } = asked;
  return router.find(host, method, path, HeaderList.from(headers), query);
}

function foundBy(router: Router<string>, path: string, asked: Asked = {}): string | undefined {
  const result = ask(router, path, asked);
  return result.kind === 'match' ? result.value : undefined;
}

function paramsOf(router: Router<string>, path: string): unknown {
  const result = ask(router, path);
  return result.kind === 'match' ? { ...result.params, raw: result.rawParams } : undefined;
}

describe('paths', () => {
  it('count in full: case, trailing slash, whole segments', () => {
    const router = routerOf('/orders', '/Orders/');
    expect(foundBy(router, '/orders')).toBe('/orders');
    expect(foundBy(router, '/Orders/')).toBe('/Orders/');
    for (const path of ['/orders/', '/Orders', '/', '/order', '/orders/1', '/orders2'])
      expect(foundBy(router, path)).toBeUndefined();
  });

  it('match the root only as the root', () => {
    const router = routerOf('/');
    expect(foundBy(router, '/')).toBe('/');
    expect(foundBy(router, '/a')).toBeUndefined();
  });

  it('take parameters that are never empty', () => {
    const router = routerOf('/orders/:id', '/orders/:id/items/:item');
    expect(paramsOf(router, '/orders/7')).toEqual({ id: '7', raw: ['7'] });
    expect(paramsOf(router, '/orders/7/items/8')).toEqual({ id: '7', item: '8', raw: ['7', '8'] });
    for (const path of ['/orders/', '/orders', '/orders/7/', '/orders/7/items/'])
      expect(foundBy(router, path)).toBeUndefined();
  });

  it('name their parameters each for itself', () => {
    const router = routerOf('/a/:x', '/a/:y/b');
    expect(paramsOf(router, '/a/1')).toEqual({ x: '1', raw: ['1'] });
    expect(paramsOf(router, '/a/1/b')).toEqual({ y: '1', raw: ['1'] });
  });

  it('give parameters decoded to policies and raw to rewrites', () => {
    const router = routerOf('/files/:name/*');
    expect(paramsOf(router, '/files/caf%C3%A9%20x/a%25/b')).toEqual({
      name: 'café x',
      '*': 'a%/b',
      raw: ['caf%C3%A9%20x', 'a%25/b'],
    });
  });

  it('give the same params object each time', () => {
    const result = ask(routerOf('/:a'), '/x');
    const params = () => (result.kind === 'match' ? result.params : undefined);
    expect(params()).toBe(params());
  });

  it('with * take the place itself and everything below, by whole segments', () => {
    const router = routerOf('/v0/*');
    expect(paramsOf(router, '/v0')).toEqual({ '*': '', raw: [''] });
    expect(paramsOf(router, '/v0/')).toEqual({ '*': '', raw: [''] });
    expect(paramsOf(router, '/v0/a/b/')).toEqual({ '*': 'a/b/', raw: ['a/b/'] });
    expect(foundBy(router, '/v01')).toBeUndefined();
    expect(foundBy(router, '/')).toBeUndefined();
  });

  it('with * at the root take everything', () => {
    const router = routerOf('/*');
    expect(paramsOf(router, '/')).toEqual({ '*': '', raw: [''] });
    expect(paramsOf(router, '/a/b')).toEqual({ '*': 'a/b', raw: ['a/b'] });
  });

  it('are spelt as requests are, however they are written', () => {
    const router = routerOf('/café au lait', '/caf%c3%a9/%7Euser');
    expect(foundBy(router, '/caf%C3%A9%20au%20lait')).toBe('/café au lait');
    expect(foundBy(router, '/caf%C3%A9/~user')).toBe('/caf%c3%a9/%7Euser');
  });

  it.each([
    ['orders', /begins with/],
    ['/a/*/b', /last segment/],
    ['/a*', /last segment/],
    ['/:', /write ':name'/],
    ['/:a.json', /write ':name'/],
    ['/:a/:a', /name of its own/],
    ['/:__proto__', /name of its own/],
    ['/a%zz', /hexadecimal/],
    ['/a?b', /percent-encoded/],
  ])('refuse %s when compiled', (path, message) => {
    expect(() => routerOf(path)).toThrow(TypeError);
    expect(() => routerOf(path)).toThrow(message);
  });
});

describe('the most specific path', () => {
  it('is the literal one, then the parameter, then *', () => {
    const router = routerOf('/*', '/:any', '/orders/*', '/orders/:id', '/orders/new', '/orders');
    expect(foundBy(router, '/orders/new')).toBe('/orders/new');
    expect(foundBy(router, '/orders/7')).toBe('/orders/:id');
    expect(foundBy(router, '/orders/7/x')).toBe('/orders/*');
    expect(foundBy(router, '/orders')).toBe('/orders');
    expect(foundBy(router, '/users')).toBe('/:any');
    expect(foundBy(router, '/users/7')).toBe('/*');
  });

  it('is the longest prefix', () => {
    const router = routerOf('/a/*', '/a/b/c/*', '/a/b/*');
    expect(foundBy(router, '/a/b/c/d')).toBe('/a/b/c/*');
    expect(foundBy(router, '/a/b/d')).toBe('/a/b/*');
  });

  it('gives way, segment by segment, where it leads nowhere', () => {
    const router = routerOf('/a/b/c', '/a/:x/d', '/:x/b/e', '/*');
    expect(foundBy(router, '/a/b/c')).toBe('/a/b/c');
    expect(paramsOf(router, '/a/b/d')).toEqual({ x: 'b', raw: ['b'] });
    expect(paramsOf(router, '/a/b/e')).toEqual({ x: 'a', raw: ['a'] });
    expect(paramsOf(router, '/a/b/f')).toEqual({ '*': 'a/b/f', raw: ['a/b/f'] });
  });

  it('gives way where its routes do not take the request', () => {
    const router = routerOf(
      { path: '/orders/:id', methods: ['GET'] },
      { path: '/orders/*', headers: { 'x-beta': '1' } },
      { path: '/*', methods: ['GET', 'DELETE'] },
    );
    expect(foundBy(router, '/orders/7')).toBe('/orders/:id');
    expect(foundBy(router, '/orders/7', { method: 'DELETE' })).toBe('/*');
    expect(foundBy(router, '/orders/7', { method: 'DELETE', headers: { 'X-Beta': '1' } })).toBe('/orders/*');
  });
});

describe('hosts', () => {
  const router = routerOf(
    '/x',
    { id: 'wide', path: '/x', hosts: ['*.example.com'] },
    { id: 'deep', path: '/x', hosts: ['*.eu.example.com'] },
    { id: 'exact', path: '/x', hosts: ['API.eu.example.com', 'other.test'] },
    { id: 'exact-only', path: '/only', hosts: ['api.eu.example.com'] },
    { id: 'wide-only', path: '/wide/:id', hosts: ['*.example.com'] },
  );

  it.each([
    ['api.eu.example.com', 'exact'],
    ['other.test', 'exact'],
    ['b.eu.example.com', 'deep'],
    ['a.b.eu.example.com', 'deep'],
    ['eu.example.com', 'wide'],
    ['a.example.com', 'wide'],
    ['example.com', '/x'],
    ['notexample.com', '/x'],
    ['.example.com', '/x'],
    ['', '/x'],
    ['[::1]', '/x'],
  ])('%s goes to %s', (host, value) => {
    expect(foundBy(router, '/x', { host })).toBe(value);
  });

  it('come before paths', () => {
    const byHost = routerOf('/a/b', { id: 'host', path: '/*', hosts: ['h.test'] });
    expect(foundBy(byHost, '/a/b', { host: 'h.test' })).toBe('host');
  });

  it('fall back to a less specific host where none of their routes takes the request', () => {
    expect(foundBy(router, '/wide/1', { host: 'api.eu.example.com' })).toBe('wide-only');
    expect(foundBy(router, '/only', { host: 'b.eu.example.com' })).toBeUndefined();
  });

  it('without any route for all hosts are not found', () => {
    const closed = routerOf({ path: '/x', hosts: ['h.test'] });
    expect(ask(closed, '/x', { host: 'g.test' })).toEqual({ kind: 'not-found' });
  });
});

describe('routes of one host and path', () => {
  it('are chosen by naming the method, then by headers, by query, by order', () => {
    const router = routerOf(
      { id: 'any', path: '/x' },
      { id: 'two-queries', path: '/x', query: { a: '1', b: '2' } },
      { id: 'query', path: '/x', query: { a: '1' } },
      { id: 'header', path: '/x', headers: { 'X-A': '1' } },
      { id: 'two-headers', path: '/x', headers: { 'x-a': '1', 'x-b': '2' } },
      { id: 'put', path: '/x', methods: ['PUT'] },
      { id: 'put-later', path: '/x', methods: ['PUT', 'PATCH'] },
    );
    const headers = { 'x-A': '1' };
    expect(foundBy(router, '/x')).toBe('any');
    expect(foundBy(router, '/x', { query: 'a=1' })).toBe('query');
    expect(foundBy(router, '/x', { query: 'b=2&a=1' })).toBe('two-queries');
    expect(foundBy(router, '/x', { query: 'b=2&a=1', headers })).toBe('header');
    expect(foundBy(router, '/x', { headers: { ...headers, 'X-B': '2' } })).toBe('two-headers');
    expect(foundBy(router, '/x', { method: 'PUT', headers, query: 'a=1' })).toBe('put');
    expect(foundBy(router, '/x', { method: 'PATCH' })).toBe('put-later');
  });

  it('go by their order, not by when they were added', () => {
    const entries = [2, 0, 1].map((order) => ({ path: '/x', order, value: order }));
    const result = compileRouterSync(entries).find('', 'GET', '/x', HeaderList.from(), '');
    expect(result).toMatchObject({ kind: 'match', value: 0 });
  });

  it('want the exact value of a header, all its values joined', () => {
    const router = routerOf({ path: '/x', headers: { 'X-Version': 'Two' } });
    expect(foundBy(router, '/x', { headers: { 'x-version': 'Two' } })).toBe('/x');
    for (const value of ['two', 'Two, Two', '']) {
      expect(ask(router, '/x', { headers: { 'x-version': value } }).kind).toBe('not-found');
    }
  });

  it.each([
    ['q=a+b%26', true],
    ['x=1&q=a%20b%26', true],
    ['%71=a+b%26', true],
    ['q=a+b%26&q=other', true],
    ['q=other&q=a+b%26', false],
    ['q=a', false],
    ['q=%zz', false],
    ['', false],
  ])('read the query %j decoded, the first value of each name', (query, isMatch) => {
    const router = routerOf({ path: '/x', query: { q: 'a b&' } });
    expect(foundBy(router, '/x', { query }) !== undefined).toBe(isMatch);
  });
});

describe('methods', () => {
  const router = routerOf(
    { id: 'read', path: '/x', methods: ['GET'] },
    { id: 'write', path: '/x', methods: ['PUT', 'POST'] },
    { id: 'below', path: '/*', methods: ['DELETE'], headers: { 'x-admin': '1' } },
    { id: 'elsewhere', path: '/x', methods: ['PATCH'], hosts: ['other.test'] },
  );

  it('that no route takes give 405 with all that would be taken', () => {
    const allow = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
    expect(ask(router, '/x', { method: 'DELETE' })).toEqual({ kind: 'method-not-allowed', allow });
    expect(ask(router, '/x', { method: 'TRACE', host: 'other.test', headers: { 'x-admin': '1' } })).toEqual({
      kind: 'method-not-allowed',
      allow: ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'],
    });
  });

  it('give 404 where host, path, headers or query forbid already', () => {
    expect(ask(router, '/y', { method: 'DELETE' })).toEqual({ kind: 'not-found' });
    expect(ask(router, '/y', { method: 'OPTIONS' })).toEqual({ kind: 'not-found' });
  });

  it('count in full', () => {
    expect(ask(router, '/x', { method: 'get' }).kind).toBe('method-not-allowed');
  });

  it('answer OPTIONS where no route takes it', () => {
    const allow = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
    expect(ask(router, '/x', { method: 'OPTIONS' })).toEqual({ kind: 'options', allow });
  });

  it('leave OPTIONS to a route that names it or takes all', () => {
    expect(foundBy(routerOf({ path: '/x', methods: ['OPTIONS'] }), '/x', { method: 'OPTIONS' })).toBe('/x');
    expect(foundBy(routerOf('/x'), '/x', { method: 'OPTIONS' })).toBe('/x');
  });

  it('send HEAD where GET goes', () => {
    expect(foundBy(router, '/x', { method: 'HEAD' })).toBe('read');
    const both = routerOf({ id: 'all', path: '/x' }, { id: 'get', path: '/x', methods: ['GET'] });
    expect(foundBy(both, '/x', { method: 'HEAD' })).toBe('get');
    expect(foundBy(routerOf('/x'), '/x', { method: 'HEAD' })).toBe('/x');
  });

  it('send HEAD to a route that names it, first', () => {
    const named = routerOf(
      { id: 'get', path: '/x', methods: ['GET'] },
      { id: 'head', path: '/x', methods: ['HEAD'] },
    );
    expect(foundBy(named, '/x', { method: 'HEAD' })).toBe('head');
    expect(foundBy(named, '/x')).toBe('get');
  });

  it('refuse HEAD where GET is refused', () => {
    const result = ask(routerOf({ path: '/x', methods: ['POST'] }), '/x', { method: 'HEAD' });
    expect(result).toEqual({ kind: 'method-not-allowed', allow: ['OPTIONS', 'POST'] });
  });

  it('for the server as a whole have their own answer', () => {
    expect(ask(routerOf('/*'), '*', { method: 'OPTIONS' })).toEqual({ kind: 'server-options' });
  });
});

describe('a CORS preflight', () => {
  const router = routerOf(
    { id: 'read', path: '/x', methods: ['GET'] },
    { id: 'beta', path: '/x', methods: ['PUT'], headers: { 'X-Beta': '1' } },
    { id: 'write', path: '/x', methods: ['PUT'] },
  );
  const preflight = (fields: Record<string, string>) =>
    router.findPreflight('h', '/x', HeaderList.from(fields), '');

  it('goes to the route of the announced method', () => {
    expect(preflight({ 'Access-Control-Request-Method': 'PUT' })).toMatchObject({ value: 'write' });
    expect(preflight({ 'Access-Control-Request-Method': 'GET' })).toMatchObject({ value: 'read' });
    expect(preflight({ 'Access-Control-Request-Method': 'DELETE' }).kind).toBe('method-not-allowed');
  });

  it('meets conditions on the headers that it announces', () => {
    const headers = { 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'a, X-Beta' };
    expect(preflight(headers)).toMatchObject({ value: 'beta' });
  });

  it('lets a plain request meet no condition by announcing it', () => {
    const result = router.find(
      'h',
      'PUT',
      '/x',
      HeaderList.from({ 'Access-Control-Request-Headers': 'x-beta' }),
      '',
    );
    expect(result).toMatchObject({ value: 'write' });
  });
});

describe('compiling in slices', () => {
  const entries = Array.from({ length: 1000 }, (_, i) => ({
    path: `/r${i}`,
    hosts: ['a.test', 'b.test'],
    order: i,
    value: i,
  }));

  it('gives the event loop a turn after each slice', async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    let now = 0;
    const time = vi.spyOn(performance, 'now').mockImplementation(() => now++);
    const router = await compileRouter(entries);
    time.mockRestore();
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(20);
    expect(router.find('b.test', 'GET', '/r999', HeaderList.from(), '')).toMatchObject({ value: 999 });
  });

  it('rejects for an impossible path', async () => {
    await expect(compileRouter([{ path: 'x', order: 0, value: 0 }])).rejects.toThrow(TypeError);
  });
});

describe('spellings that a route takes as the same', () => {
  const routeOf = (entry: Partial<RouterEntry<string>> & { path: string }, path: string) => {
    const router = compileRouterSync([{ order: 0, value: 'route', ...entry }]);
    const found = router.find('a.example', 'GET', path, HeaderList.from(), '');
    return found.kind === 'match' ? found.params : found.kind;
  };

  it.each([
    ['/admin/:id', '/ADMIN/Ab', { id: 'Ab' }],
    ['/Caf%C3%A9/*', '/cAF%C3%89/X', { '*': 'X' }],
    ['/straße', '/STRASSE', {}],
    ['/admin', '/admim', 'not-found'],
  ])('%s in any case takes %s', (path, asked, found) => {
    expect(routeOf({ path, caseSensitive: false }, asked)).toEqual(found);
    expect(routeOf({ path }, asked)).toBe('not-found');
  });

  it.each([
    ['/orders', '/orders/', {}],
    ['/orders/', '/orders', {}],
    ['/orders/:id', '/orders/7/', { id: '7' }],
    ['/:id/', '/7', { id: '7' }],
    ['/orders', '/orders//', 'not-found'],
    ['/', '//', 'not-found'],
  ])('%s with a slash as the same takes %s', (path, asked, found) => {
    expect(routeOf({ path, trailingSlash: 'same' }, asked)).toEqual(found);
    expect(routeOf({ path }, asked)).toBe('not-found');
  });

  it('are taken by the route that is written so, where there is one', () => {
    const router = compileRouterSync([
      { path: '/Admin/', caseSensitive: false, trailingSlash: 'same', order: 0, value: 'any' },
      { path: '/admin', order: 1, value: 'small' },
      { path: '/ADMIN/', order: 2, value: 'capital' },
    ]);
    const takenBy = (path: string) => {
      const found = router.find('a.example', 'GET', path, HeaderList.from(), '');
      return found.kind === 'match' ? found.value : found.kind;
    };
    expect(['/admin', '/admin/', '/ADMIN', '/ADMIN/', '/aDMIN'].map(takenBy)).toEqual([
      ...['small', 'any', 'any', 'capital', 'any'],
    ]);
  });

  it('of a parameter are one: what RFC 3986 allows raw, and its percent form', () => {
    expect(routeOf({ path: '/%3Aid/:x' }, '/:id/@a')).toEqual({ x: '@a' });
    expect(routeOf({ path: '/%2A' }, '/*')).toEqual({});
    expect(routeOf({ path: '/%2A' }, '/a')).toBe('not-found');
  });
});
