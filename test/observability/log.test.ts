import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import { createLog } from '../../src/observability/log.ts';
import { MemoryDestination } from './memory-destination.ts';

const SECRET = 's3cr3t';

function logged(fields: object, message = 'message'): { text: string; line: Record<string, unknown> } {
  const destination = new MemoryDestination();
  createLog({ level: 'info', destination }).info(fields, message);
  return { text: destination.text, line: destination.lines()[0] as Record<string, unknown> };
}

describe('log', () => {
  it('writes one object a line, with level, time, fields and message', () => {
    const { line } = logged({ port: 8080 }, 'listening on %s');
    expect(line).toEqual({ level: 30, time: expect.any(Number), port: 8080, msg: 'listening on %s' });
  });

  it('writes nothing below its level', () => {
    const destination = new MemoryDestination();
    const log = createLog({ level: 'warn', destination });
    log.debug({}, 'a');
    log.info({}, 'b');
    log.warn({}, 'c');
    log.error({}, 'd');
    expect(destination.lines().map(({ msg }) => msg)).toEqual(['c', 'd']);
  });

  it.each<[string, object]>([
    ['a header', { headers: { authorization: `Bearer ${SECRET}` } }],
    ['another case', { headers: { 'X-API-Key': SECRET, 'Set-COOKIE': [`a=${SECRET}`] } }],
    ['underscores', { proxy_authorization: SECRET, CLIENT_SECRET: SECRET, db_password: SECRET }],
    ['camel case', { accessToken: SECRET, apiKeys: [SECRET], privateKey: { d: SECRET } }],
    ['deep inside', { a: { b: [{ c: { refresh_token: SECRET } }] } }],
    ['pairs', { headers: [['Cookie', SECRET] as const, ['accept', '*/*'] as const] }],
    ['a flat list', { rawHeaders: ['Host', 'a', 'AUTHORIZATION', SECRET] }],
    ['name and value', { headers: [{ name: 'Cookie', value: SECRET }] }],
    ['a map', { headers: new Map([['set-cookie', [SECRET]]]) }],
    ['web headers', { headers: new Headers({ authorization: SECRET }) }],
    ['a header list', { headers: HeaderList.from({ 'x-api-key': SECRET, cookie: SECRET }) }],
    ['search parameters', { query: new URLSearchParams({ api_key: SECRET }) }],
    ['a URL object', { url: new URL(`https://me:${SECRET}@h/?code=${SECRET}`) }],
    ['a URL', { url: `HTTPS://me:${SECRET}@h/?a=1&Access%5FToken=${SECRET}#x` }],
    ['a URL with only a password', { url: `redis://:${SECRET}@h:6379/0` }],
    ['toJSON', { config: { toJSON: () => ({ secret: SECRET }) } }],
    ['bytes', { body: Buffer.from(SECRET) }],
    ['a field name', { [`Bearer ${SECRET}`]: 1 }],
  ])('leaves secrets out of fields: %s', (_, fields) => {
    const { text } = logged(fields);
    expect(text).not.toContain(SECRET);
    expect(text).toContain('message');
  });

  it('leaves secrets out of errors and all their causes', () => {
    const root = Object.assign(new Error(`GET http://u:${SECRET}@h/?key=${SECRET}`), {
      config: { headers: { Authorization: `Bearer ${SECRET}` } },
    });
    const all = new AggregateError([new Error(`token=${SECRET}`), root], `password=${SECRET}`);
    const failure = new GatewayError('GW_INTERNAL', {
      cause: new Error('outer', { cause: all }),
      headers: { 'set-cookie': SECRET },
    });
    for (const fields of [{ err: failure }, { error: failure }, failure]) {
      const { text } = logged(fields);
      expect(text).not.toContain(SECRET);
      expect(text).toContain('GW_INTERNAL');
      expect(text).toContain('outer');
    }
  });

  it('leaves secrets out of messages', () => {
    expect(logged({}, `sent authorization: Basic dTpw${SECRET}`).text).not.toContain(SECRET);
  });

  it('keeps what says where an error came from', () => {
    const { line } = logged({ err: Object.assign(new TypeError('no'), { code: 'ENOENT' }) });
    const err = line.err as Record<string, unknown>;
    expect(err).toMatchObject({ type: 'TypeError', message: 'no', code: 'ENOENT' });
    expect(err.stack).toContain('log.test.ts');
  });

  it('keeps what only looks like a secret', () => {
    const fields = {
      code: 'GW_INTERNAL',
      publicKey: 'p',
      'idempotency-key': 'i',
      keyId: 'k',
      tokens: undefined,
    };
    expect(logged(fields, 'duplicate key: orders').line).toMatchObject({
      code: 'GW_INTERNAL',
      publicKey: 'p',
      'idempotency-key': 'i',
      keyId: 'k',
      msg: 'duplicate key: orders',
    });
  });

  it('survives depth, length, getters that throw and values that JSON cannot hold', () => {
    let deep: object = { end: true };
    for (let i = 0; i < 50; i++) deep = { deep };
    const many = Array.from({ length: 500 }, (_, i) => i);
    const odd = { n: 1n, f: () => 1, s: Symbol('x'), when: new Date(0) };
    const broken = {
      get bad() {
        throw new Error('no');
      },
    };
    const { line } = logged({ deep, many, odd, broken });
    expect(JSON.stringify(line.deep)).toContain('[too deep]');
    expect((line.many as unknown[]).at(-1)).toBe('[400 more]');
    expect(line.odd).toEqual({ n: '1', when: '1970-01-01T00:00:00.000Z' });
    expect(line.broken).toBe('[unreadable]');
  });

  it('writes shared objects twice and circular ones once', () => {
    const shared = { a: 1 };
    const circular: Record<string, unknown> = { shared, again: shared };
    circular.self = circular;
    expect(logged({ circular }).line.circular).toEqual({ shared, again: shared, self: '[circular]' });
  });
});
