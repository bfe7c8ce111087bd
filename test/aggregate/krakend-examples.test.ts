import { describe, expect, it } from 'vitest';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';

type Aggregate = NonNullable<NonNullable<TestConfig['routes']>[number]['aggregate']>;

/** Answers a request to a gateway whose one route is at `path`; the service gives the JSON written for each path. */
async function responseOf(
  asked: string,
  path: string,
  service: Readonly<Record<string, unknown>>,
  aggregate: Aggregate,
  files: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: unknown; partial: string | null }> {
  const target = await startTarget((request, response) => {
    const data = service[request.url ?? ''];
    if (data === undefined) response.writeHead(404).end();
    else response.end(JSON.stringify(data));
  });
  const { url } = await startGateway(
    { upstreams: { service: { targets: [target.url] } }, routes: [{ id: 'r', path, aggregate }] },
    { files },
  );
  const response = await fetch(url + asked);
  return { status: response.status, body: await response.json(), partial: response.headers.get('x-partial') };
}

const part = (path: string, more: object = {}) => ({ upstream: 'service', path, ...more });

// What the pages about aggregation, data manipulation and the sequential proxy of KrakenD's documentation show, written for us.
describe('what KrakenD’s documentation shows', () => {
  const merged: Aggregate = {
    parts: {
      a: part('/a', { optional: true }),
      b: part('/b', { optional: true }),
      c: part('/c', { optional: true }),
    },
    response: { '...': ['{parts.a.body}', '{parts.b.body}', '{parts.c.body}'] },
  };

  it('merges the members of several services', async () => {
    const service = { '/a': { id: 1, name: 'a' }, '/b': { title: 'b' }, '/c': { tags: ['c'] } };
    expect(await responseOf('/abc', '/abc', service, merged)).toEqual({
      status: 200,
      body: { id: 1, name: 'a', title: 'b', tags: ['c'] },
      partial: null,
    });
  });

  it('gives what there is where a service fails, and says that it is not all', async () => {
    const { status, body, partial } = await responseOf(
      '/abc',
      '/abc',
      { '/a': { id: 1 }, '/c': { tags: ['c'] } },
      merged,
    );
    expect([status, partial]).toEqual([200, 'b']);
    expect(body).toMatchObject({ id: 1, tags: ['c'] });
  });

  it('picks (allow), renames (mapping), groups (group) and names a list (is_collection)', async () => {
    const service = {
      '/users/octo': { name: 'Octo', blog: 'https://octo.example', followers: 7, token: 'secret' },
      '/users/octo/repos': [{ id: 1 }, { id: 2 }],
    };
    const { body } = await responseOf('/git/octo', '/git/:user', service, {
      parts: { user: part('/users/{params.user}'), repos: part('/users/{params.user}/repos') },
      response: {
        user: {
          name: '{parts.user.body.name}',
          website: '{parts.user.body.blog}',
          followers: '{parts.user.body.followers}',
          company: '{parts.user.body.company}',
        },
        repos: '{parts.repos.body}',
      },
    });
    expect(body).toEqual({
      user: { name: 'Octo', website: 'https://octo.example', followers: 7 },
      repos: [{ id: 1 }, { id: 2 }],
    });
  });

  it('takes what is wrapped out of its wrapping (target)', async () => {
    const service = { '/a': { apiVersion: '2.0', data: { foo: 1, bar: 2 } } };
    const { body } = await responseOf('/x', '/x', service, {
      parts: { a: part('/a') },
      response: '{parts.a.body.data}',
    });
    expect(body).toEqual({ foo: 1, bar: 2 });
  });

  it('leaves members of the elements of a list out (deny), in code', async () => {
    const service = {
      '/posts?userId=1': [
        { userId: 1, id: 1, title: 'one', body: 'long' },
        { userId: 1, id: 2, title: 'two', body: 'long' },
      ],
    };
    const { body } = await responseOf(
      '/posts/1',
      '/posts/:user',
      service,
      { parts: { posts: part('/posts', { query: { userId: '{params.user}' } }) }, compose: './posts.mjs' },
      {
        'posts.mjs':
          'export default ({ posts }) => ({ posts: posts.map(({ id, title }) => ({ id, title })) });',
      },
    );
    expect(body).toEqual({
      posts: [
        { id: 1, title: 'one' },
        { id: 2, title: 'two' },
      ],
    });
  });

  it('asks one service with what another has answered (sequential proxy)', async () => {
    const service = {
      '/hotels/25': { hotel_id: 25, name: 'Hotel California', destination_id: 1034 },
      '/destinations/1034': { destination_id: 1034, destinations: ['LAX', 'SFO', 'OAK'] },
    };
    const { body } = await responseOf('/hotel-destinations/25', '/hotel-destinations/:id', service, {
      parts: {
        hotel: part('/hotels/{params.id}'),
        destination: part('/destinations/{parts.hotel.body.destination_id}'),
      },
      response: { '...': ['{parts.hotel.body}', '{parts.destination.body}'] },
    });
    expect(body).toEqual({
      hotel_id: 25,
      name: 'Hotel California',
      destination_id: 1034,
      destinations: ['LAX', 'SFO', 'OAK'],
    });
  });

  it('puts a list under a name of its own (is_collection with mapping)', async () => {
    const service = { '/repos': [{ id: 1 }, { id: 2 }] };
    for (const name of ['collection', 'repos'])
      expect(
        await responseOf('/x', '/x', service, {
          parts: { a: part('/repos') },
          response: { [name]: '{parts.a.body}' },
        }),
      ).toMatchObject({ body: { [name]: [{ id: 1 }, { id: 2 }] } });
  });

  it('moves, deletes and renames in lists (flatmap_filter: move, del, append)', async () => {
    const service = {
      '/schools': {
        schools: {
          '42': {
            students: [
              { PK_ID: 'alice', password: 'x', grade: 1.5 },
              { PK_ID: 'bob', password: 'y' },
            ],
          },
          '43': { students: [] },
        },
        kindergarten: ['blue'],
      },
    };
    const { body } = await responseOf('/x', '/x', service, {
      parts: { a: part('/schools') },
      response: {
        '...': '{parts.a.body}',
        '...without': ['schools'],
        alumni: {
          '...each': '{parts.a.body.schools.42.students}',
          as: 'student',
          give: { '...': '{student}', '...without': ['password', 'PK_ID'], id: '{student.PK_ID}' },
        },
      },
    });
    expect(body).toEqual({
      kindergarten: ['blue'],
      alumni: [{ grade: 1.5, id: 'alice' }, { id: 'bob' }],
    });
  });

  it('leaves members of the elements of a list out (deny), by template', async () => {
    const service = {
      '/posts': [
        { userId: 1, id: 1, body: 'long' },
        { userId: 1, id: 2 },
      ],
    };
    const { body } = await responseOf('/x', '/x', service, {
      parts: { posts: part('/posts') },
      response: {
        posts: {
          '...each': '{parts.posts.body}',
          as: 'post',
          give: { '...': '{post}', '...without': ['userId', 'body'] },
        },
      },
    });
    expect(body).toEqual({ posts: [{ id: 1 }, { id: 2 }] });
  });
});
