import { describe, expect, test } from 'vitest';
import { EMPTY_BODY } from '../../src/core/body.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import { headers } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, runThrough, stubExchange, upstreamHead } from '../core/stub-exchange.ts';
import { fc } from '../support/fast-check.ts';

type Fields = readonly (readonly [string, string])[];

async function change(options: object, request: Fields, response: Fields = [], site: object = {}) {
  const { pipeline } = policyPipeline([headers, options]);
  const exchange = Object.assign(stubExchange({ headers: request }), site);
  const { head } = await runThrough(pipeline, exchange, { head: upstreamHead(response), body: EMPTY_BODY });
  return { request: exchange.headers.toLines(), response: head.headers.toLines() };
}

test('removes, sets and adds, in this order, whatever the case of names', async () => {
  const changes = { remove: ['X-Old'], set: { 'x-one': '1', 'x-old': 'new' }, add: { 'x-many': '2' } };
  const fields: Fields = [
    ['x-old', 'a'],
    ['X-Old', 'b'],
    ['X-One', '0'],
    ['X-Many', '1'],
    ['Accept', '*/*'],
  ];
  const expected = 'X-Many: 1\r\nAccept: */*\r\nx-one: 1\r\nx-old: new\r\nx-many: 2\r\n';
  const result = await change({ request: changes, response: changes }, fields, fields);
  expect(result).toEqual({ request: expected, response: expected });
});

test('leaves alone what is not named', async () => {
  const result = await change({ request: { set: { a: '1' } } }, [['b', '2']], [['c', '3']]);
  expect(result).toEqual({ request: 'b: 2\r\na: 1\r\n', response: 'c: 3\r\n' });
});

describe('templates', () => {
  test('hold what is known of the exchange', async () => {
    const set = {
      'x-order': 'order-{params.id}/{params.*}',
      'x-id': '{requestId}',
      'x-client': '{clientAddress} {scheme}://{host}',
      'x-none': '[{params.other}]',
      'x-literal': '{"group":"default","max_age":10}',
    };
    const site = { params: { id: '42', '*': 'a/b' } };
    const { response } = await change({ response: { set } }, [], [], site);
    expect(response.split('\r\n')).toEqual([
      'x-order: order-42/a/b',
      'x-id: request-1',
      'x-client: 192.0.2.7 http://api.example.com',
      'x-none: []',
      'x-literal: {"group":"default","max_age":10}',
      '',
    ]);
  });

  test('cannot smuggle a line through a parameter', async () => {
    const options = { request: { set: { 'x-id': '{params.id}' } } };
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (id) => {
        const { request } = await change(options, [], [], { params: { id: `\r\nx: ${id}` } });
        expect(request).toMatch(/^x-id: [\x20-\x7e]*\r\n$/);
      }),
    );
  });

  test.each(['{params.}', '{param.id}', '{requestid}', '{identity.sub}', '{toString}'])(
    '%s does not exist',
    (text) => {
      const [problem] = problemsOf(headers, { request: { set: { a: text } } });
      expect(problem).toContain(`holds ${text}, which does not exist`);
    },
  );

  test('a parameter is looked up among the parameters only', async () => {
    const { request } = await change({ request: { set: { a: '{params.constructor}' } } }, []);
    expect(request).toBe('a: \r\n');
  });
});

describe('fields that are not to be touched', () => {
  const owned = [
    ...['Content-Length', 'Transfer-Encoding', 'connection', 'keep-alive', 'te', 'trailer', 'upgrade'],
    ...['proxy-connection', 'expect', 'http2-settings', 'host', 'x-auth-user', 'X-Auth-Roles', 'x_auth_user'],
    ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'via', 'content_length'],
  ];

  test.each(owned)('%s is refused in every list', (name) => {
    for (const side of ['request', 'response']) {
      expect(problemsOf(headers, { [side]: { set: { [name]: '1' } } })).toHaveLength(1);
      expect(problemsOf(headers, { [side]: { add: { [name]: '1' } } })).toHaveLength(1);
      expect(problemsOf(headers, { [side]: { remove: [name] } })).toHaveLength(1);
    }
  });

  test('the message says why and what to do', () => {
    expect(problemsOf(headers, { request: { set: { host: 'a' } } })).toEqual([
      expect.stringContaining("is the route's to choose — use hostHeader"),
    ]);
    expect(problemsOf(headers, { request: { remove: ['x-auth-user'] } })).toEqual([
      expect.stringContaining('only the gateway may'),
    ]);
  });

  test('whatever name and value the schema takes, the head stays one head', () => {
    const bytes = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(bytes, bytes, (name, value) => {
        if (problemsOf(headers, { request: { set: { [name]: value } } }).length > 0) return;
        const lines = HeaderList.from([[name, value]]).toLines();
        expect(lines.split(/[\r\n\0]+/)).toHaveLength(2);
      }),
    );
  });
});
