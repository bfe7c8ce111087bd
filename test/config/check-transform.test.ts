import { expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText, problemsOf, withRoutes } from './load-text.ts';

const options = { policies: builtInPolicies };

const withTransform = (transform: object): string =>
  withRoutes(JSON.stringify({ id: 'a', path: '/a/:id', upstream: 'a', policies: [{ transform }] }));
const problems = async (transform: object): Promise<string[]> =>
  (await problemsOf(withTransform(transform), options)).map((line) => line.replace(/^.*?transform\.?/, ''));

it('a transform is good as the design writes it', async () => {
  const transform = {
    request: { body: { id: '{params.id}', '...': '{body}', '...without': ['secret'] } },
    response: {
      when: "response.status == 200 and body.kind != 'x'",
      status: 200,
      headers: { 'x-total': '{response.body.total}', 'x-old': null },
      body: { items: { '...each': '{response.body}', as: 'item', give: '{item.id}' } },
    },
  };
  expect(await loadText(withTransform(transform), options)).toMatchObject({ ok: true, warnings: [] });
});

it.each<[string, object, string]>([
  ['nothing to change', {}, ': changes nothing — add request or response'],
  [
    'an unknown parameter',
    { request: { body: { a: ['{params.no}'] } } },
    'request.body.a[0]: refers to a parameter that there is not (params.no), at character 2 — write params.id',
  ],
  [
    'the response in a request',
    { request: { headers: { a: 'x {response.body}' } } },
    "request.headers.a: refers to 'response', which is nothing here, at character 4 — use params, query, headers, claims, subject, requestId, body",
  ],
  [
    'a response without what of it',
    { response: { body: '{response}' } },
    "response.body: has 'response', which a response does not have, at character 2 — write response.body, .status or .headers.name",
  ],
  [
    'a part, of which there are none',
    { response: { when: 'parts.a.status == 1' } },
    "response.when: refers to 'parts', which is nothing here, at character 1 — use params, query, headers, claims, subject, requestId, body, response",
  ],
  [
    'a header of the gateway',
    { response: { headers: { 'Content-Length': '1' } } },
    'response.headers.Content-Length: frames the message or belongs to one connection, so the gateway writes it — leave this line out',
  ],
  [
    'a body where none is sent',
    { response: { status: 204, body: {} } },
    'response.body: cannot be sent with status 204 — take it out, or use status 200',
  ],
  [
    'a status that says what is not so',
    { response: { status: 304 } },
    'response.status: describes what another response has — write another status',
  ],
  [
    'names to leave out that are none',
    { response: { body: { '...': '{response.body}', '...without': 'a' } } },
    'response.body: has ...without, which is not a list of names, at character 1 — write [name, other]',
  ],
  [
    'names to leave out of nothing',
    { response: { body: { '...without': ['a'] } } },
    'response.body: has ...without without ..., of which it leaves out, at character 1 — add ...',
  ],
  [
    'an element without a name',
    { response: { body: { '...each': '{response.body}', give: 1 } } },
    'response.body: has ...each without a name for the element, at character 1 — add as: item',
  ],
  [
    'an element with the name of something else',
    { response: { body: { '...each': '{response.body}', as: 'body', give: 1 } } },
    'response.body: has as: body, which means something else in templates, at character 1 — choose another name',
  ],
  [
    'an element that gives nothing',
    { response: { body: { '...each': '{response.body}', as: 'item' } } },
    'response.body: has ...each without what each element gives, at character 1 — add give',
  ],
  [
    'a mistake in what an element gives',
    { response: { body: { a: { '...each': '{response.body}', as: 'item', give: { b: '{itm.x}' } } } } },
    "response.body.a.give.b: refers to 'itm', which is nothing here, at character 2 — use item, params, query, headers, claims, subject, requestId, body, response",
  ],
  [
    'a key of something else beside an element',
    { response: { body: { '...each': '{response.body}', as: 'item', give: 1, more: 2 } } },
    "response.body: has 'more' beside ...each, at character 1 — write as and give, and nothing else",
  ],
])('a transform with %s is refused, with its place and column', async (_, transform, problem) => {
  const found = await problems(transform);
  expect(found).toHaveLength(1);
  expect(found[0]).toBe(problem);
});

it('a top-level transform may name parameters of any route', async () => {
  const text = `policies: [{ transform: { request: { headers: { a: "{params.any}" } } } }]\n${withRoutes('{ "id": "a", "path": "/a", "upstream": "a" }')}`;
  expect(await loadText(text, options)).toMatchObject({ ok: true });
});
