import { describe, expect, it } from 'vitest';
import { loadText, problemsOf, withRoutes } from './load-text.ts';

const withAggregate = (aggregate: object, path = '/home/:id'): string =>
  withRoutes(JSON.stringify({ id: 'home', path, aggregate }));
const part = (more: object = {}) => ({ upstream: 'a', path: '/x', ...more });
const problems = async (aggregate: object): Promise<string[]> =>
  (await problemsOf(withAggregate(aggregate))).map((line) => line.replace(/^[\d:]+ /, ''));

describe('an aggregate', () => {
  it('is good as the design writes it', async () => {
    const aggregate = {
      deadline: '800ms',
      parts: {
        user: part({ path: '/users/{params.id}' }),
        orders: part({
          query: { user: '{parts.user.body.id}' },
          optional: true,
          fallback: [],
          timeout: '300ms',
        }),
        prices: part({
          forEach: '{parts.orders.body}',
          as: 'order',
          path: '/prices/{order.sku}',
          concurrency: 4,
          maxItems: 50,
        }),
        offer: part({
          method: 'POST',
          body: { user: '{parts.user.body.id}' },
          when: 'parts.user.body.vip == true',
        }),
      },
      response: { name: '{parts.user.body.name}', orders: '{parts.orders.body}', total: '{parts.prices}' },
    };
    expect(await loadText(withAggregate(aggregate))).toMatchObject({ ok: true, warnings: [] });
  });

  it.each([
    [
      'an unknown upstream',
      part({ upstream: 'users' }),
      "upstream: there is no upstream 'users' — define it under upstreams",
    ],
    [
      'an unknown parameter',
      part({ path: '/users/{params.user}' }),
      'path: refers to a parameter that there is not (params.user), at character 9 — write params.id',
    ],
    [
      'an unknown part',
      part({ query: { q: '{parts.usr.body}' } }),
      'query.q: refers to a part that there is not (parts.usr.body), at character 2 — write parts.p',
    ],
    [
      'a brace alone',
      part({ path: '/a}' }),
      "path: has a brace without its other half, at character 3 — write {params.name} or the like, or {'{'} for a brace",
    ],
    [
      'a space in a path',
      part({ path: '/a b' }),
      'path: holds " ", which no path may, at character 3 — percent-encode it',
    ],
    [
      'a dot segment',
      part({ path: '/a/../b' }),
      "path: holds '.' or '..', at character 1 — write the path that is meant",
    ],
    [
      'a body that GET does not send',
      part({ body: {} }),
      'body: is not sent with GET — write method: POST, or take it out',
    ],
    [
      'a fallback of a required part',
      part({ fallback: [] }),
      'fallback: stands for nothing, since the part is required — add optional: true',
    ],
    [
      'forEach without as',
      part({ forEach: '{claims.a}' }),
      'has forEach without a name for the element — add as: item',
    ],
    ['as without forEach', part({ as: 'x' }), 'as: has no effect without forEach — take it out'],
    [
      'as that is a root',
      part({ forEach: '{claims.a}', as: 'parts' }),
      'as: is the name of something else in templates — choose another one',
    ],
    [
      'forEach of a text',
      part({ forEach: 'a{claims.a}', as: 'x' }),
      'forEach: is not one whole reference, at character 1 — write {parts.name.body} or the like, and nothing else',
    ],
    [
      'a field of the gateway',
      part({ headers: { 'x-auth-subject': 'me' } }),
      'headers.x-auth-subject: says who the caller is',
    ],
    [
      'a broken condition',
      part({ when: 'query.a = 1' }),
      "when: has one '=', at character 9 — write == to compare",
    ],
    [
      'a fault deep in a body',
      part({ method: 'POST', body: { a: [{ b: '{x}' }] } }),
      "body.a[0].b: refers to 'x', which is nothing here, at character 2",
    ],
    [
      'itself',
      part({ path: '/{parts.p.body}' }),
      'path: makes the part wait for itself (p → p) — take one of these references out',
    ],
  ])('is refused with %s, at its place', async (_, p, expected) => {
    const found = await problems({ parts: { p } });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('routes[0].aggregate.parts.p');
    expect(found[0]).toContain(expected);
  });

  it('is refused with parts that wait for each other, once, at the reference that closes the circle', async () => {
    const found = await problems({
      parts: {
        a: part({ query: { q: '{parts.b.body}' } }),
        b: part({ when: 'parts.c.status == 200' }),
        c: part({ method: 'POST', body: ['{parts.a.body}'] }),
      },
    });
    expect(found).toEqual([
      'routes[0].aggregate.parts.c.body: makes the part wait for itself (a → b → c → a) — take one of these references out',
    ]);
  });

  it('is refused with no parts, response beside compose, and status of a part with forEach', async () => {
    expect((await problems({ parts: {} }))[0]).toContain('parts: is empty');
    const found = await problems({
      parts: { p: part({ forEach: '{claims.a}', as: 'x' }) },
      response: { s: '{parts.p.status}' },
      compose: './home.ts',
    });
    expect(found.join('\n')).toContain('compose: names a file that cannot be read');
    expect(found.join('\n')).toContain('compose: stands beside response');
    expect(found.join('\n')).toContain('asks for the status of a part with forEach');
  });

  it('is refused beside an upstream, and with settings that are for one', async () => {
    const route = { id: 'r', path: '/', upstream: 'a', timeout: '1s', aggregate: { parts: { p: part() } } };
    const both = await problemsOf(withRoutes(JSON.stringify(route)));
    expect(both.join()).toContain('aggregate: stands beside upstream — keep one of them');
    const { upstream: _, ...alone } = route;
    expect((await problemsOf(withRoutes(JSON.stringify(alone)))).join()).toContain(
      'timeout: has no effect without an upstream',
    );
  });
});
