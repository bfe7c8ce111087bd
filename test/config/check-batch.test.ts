import { expect, it } from 'vitest';
import { loadText, problemsOf, withRoutes } from './load-text.ts';

const route = (more: object): string => withRoutes(JSON.stringify({ id: 'b', path: '/batch', ...more }));

it('a route with batch is good as the design writes it', async () => {
  const text = route({ methods: ['POST'], batch: { max: 20, concurrency: 4 } });
  expect(await loadText(text)).toMatchObject({
    ok: true,
    config: {
      routes: [
        { batch: { max: 20, concurrency: 4, timeout: 30_000, maxBody: 2 ** 20, maxResponse: 2 ** 23 } },
      ],
    },
  });
});

it.each<[string, object, string]>([
  ['every method', { batch: {} }, 'takes a batch, which is sent with POST alone — write methods: [POST]'],
  ['GET too', { methods: ['GET', 'POST'], batch: {} }, 'takes a batch, which is sent with POST alone'],
  [
    'an upstream too',
    { methods: ['POST'], upstream: 'a', batch: {} },
    'stands beside upstream — keep one of them',
  ],
  ['too many', { methods: ['POST'], batch: { max: 5000 } }, 'is more than 1,000 — split such batches'],
  ['none', { methods: ['POST'], batch: { max: 0 } }, 'is not a whole number of at least 1'],
  ['a rewrite', { methods: ['POST'], batch: {}, rewrite: '/x' }, 'has no effect without an upstream'],
])('a route with batch for %s is rejected', async (_, more, problem) => {
  expect((await problemsOf(route(more))).join('\n')).toContain(problem);
});
