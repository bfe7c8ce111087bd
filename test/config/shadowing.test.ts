import { describe, expect, it } from 'vitest';
import { configOf, problemsOf, withRoutes } from './load-text.ts';

const route = (id: string, rest: string) => `{ id: ${id}, upstream: a, ${rest} }`;

describe('a route that can never match', () => {
  it.each([
    ['the same path', ['path: "/x/:a"'], 'path: "/x/:b"'],
    ['the same path in another spelling', ['path: /caf%c3%a9'], 'path: /café'],
    ['what a percent form spells too', ['path: "/v1/items:purge"'], 'path: /v1/items%3Apurge'],
    ['any case', ['path: /Café, caseSensitive: false'], 'path: /cafÉ, caseSensitive: false'],
    ['a part of the methods', ['path: /x, methods: [GET, PUT]'], 'path: /x, methods: [PUT]'],
    [
      'all its methods, by two routes',
      ['path: /x, methods: [GET]', 'path: /x, methods: [PUT]'],
      'path: /x, methods: [PUT, GET]',
    ],
    ['a part of the hosts', ['path: /x, hosts: [a.example, b.example]'], 'path: /x, hosts: [B.example]'],
    [
      'the same conditions in another order',
      ['path: /x, headers: { A: "1", b: "2" }'],
      'path: /x, headers: { B: "2", a: "1" }',
    ],
    ['the same query', ['path: /x, query: { v: "1" }'], 'path: /x, query: { v: "1" }'],
  ])('is refused: %s', async (_, earlier, later) => {
    const routes = [...earlier.map((text, i) => route(`e${i}`, text)), route('late', later)];
    const problems = await problemsOf(withRoutes(...routes));
    expect(problems).toEqual([
      expect.stringMatching(
        new RegExp(`routes\\[${earlier.length}\\]: can never match, since routes\\[\\d\\]`),
      ),
    ]);
  });
});

describe('a route that another does not shadow', () => {
  it.each([
    ['a more exact path', 'path: /x/*', 'path: "/x/:a"'],
    ['a trailing slash', 'path: /x', 'path: /x/'],
    ['methods, against all', 'path: /x', 'path: /x, methods: [GET]'],
    ['all methods, against some', 'path: /x, methods: [GET]', 'path: /x'],
    ['one more method', 'path: /x, methods: [GET]', 'path: /x, methods: [GET, PUT]'],
    ['a host, against all', 'path: /x', 'path: /x, hosts: [a.example]'],
    ['one more host', 'path: /x, hosts: [a.example]', 'path: /x, hosts: [a.example, b.example]'],
    ['one more condition', 'path: /x, headers: { a: "1" }', 'path: /x, headers: { a: "1", b: "2" }'],
    ['another value', 'path: /x, query: { v: "1" }', 'path: /x, query: { v: "2" }'],
    ['another case of a query parameter', 'path: /x, query: { v: "1" }', 'path: /x, query: { V: "1" }'],
  ])('is taken: %s', async (_, first, second) => {
    await configOf(withRoutes(route('first', first), route('second', second)));
  });
});
