import { describe, expect, test } from 'vitest';
import { basic } from '../../src/policies/basic/basic.ts';
import { findHashFault, hashPassword } from '../../src/policies/basic/password-hash.ts';
import { problemsOf } from '../core/stub-exchange.ts';
import { startGatewayTo, startTarget } from '../support/harness.ts';

/** Cheaper than what we make, so that the tests do not wait. */
const CHEAP = { logN: 10, blockSize: 1, parallelism: 1 };
const ADA = await hashPassword('correct horse', CHEAP);
const JURGEN = await hashPassword('pässwörd', CHEAP);

const users = {
  ada: { password: ADA, roles: ['editor'], permissions: ['orders:read'] },
  Jürgen: { password: JURGEN },
};

const encode = (text: string | Uint8Array): string => `Basic ${Buffer.from(text).toString('base64')}`;

async function setUp(options: object = {}, more: object[] = []) {
  const target = await startTarget();
  const policies = [{ basic: { users, ...options } }, ...more];
  const gateway = await startGatewayTo(target, { policies } as object);
  const ask = async (...authorization: string[]) => {
    const headers = authorization.map((value): [string, string] => ['authorization', value]);
    return gateway.gateway.inject({ url: '/', headers });
  };
  return { target, gateway, ask };
}

describe('basic', () => {
  test('lets in who has the right password, and keeps it from the upstream', async () => {
    const { target, ask } = await setUp({}, [{ authorize: { roles: ['editor'], claims: { sub: 'ada' } } }]);
    for (let i = 0; i < 2; i++) {
      const answer = await ask(encode('ada:correct horse'));
      expect(answer.status).toBe(200);
      expect(target.requests[i]?.headers.authorization).toBeUndefined();
    }
    const jurgen = await ask(encode('Jürgen:pässwörd'));
    expect(jurgen.status).toBe(403);
  });

  test('reads names and passwords as UTF-8, and says so', async () => {
    const { ask } = await setUp({ realm: 'orders' });
    expect((await ask(encode('Jürgen:pässwörd'))).status).toBe(200);
    const asked = await ask();
    expect(asked.status).toBe(401);
    expect(asked.headers.get('www-authenticate')).toBe('Basic realm="orders", charset="UTF-8"');
    expect(JSON.parse(asked.body.toString()).code).toBe('GW_CREDENTIALS_MISSING');
  });

  test.each([
    ['a wrong password', [encode('ada:wrong')]],
    ['no password', [encode('ada:')]],
    ['an unknown name', [encode('bob:correct horse')]],
    ['a name in other letters', [encode('Ada:correct horse')]],
    ['a password in another Unicode form', [encode(`Jürgen:${'pässwörd'.normalize('NFD')}`)]],
    ['the hash in place of the password', [encode(`ada:${ADA}`)]],
    ['no colon', [encode('ada')]],
    ['a control character', [encode('ada:correct horse\n')]],
    ['bytes that are not UTF-8', [encode(Buffer.from([0x61, 0x3a, 0xff]))]],
    ['what is not base64', ['Basic ada:correct horse']],
    ['another spelling of the base64', [`${encode('ada:correct horse!').replace(/.=*$/, '')}B`]],
    ['nothing behind the scheme', ['Basic']],
    ['two fields', [encode('ada:correct horse'), encode('ada:correct horse')]],
    ['two fields of two kinds', [encode('ada:correct horse'), 'Bearer x']],
    ['two credentials in one field', [`${encode('ada:correct horse')}, ${encode('ada:correct horse')}`]],
  ])('refuses %s, with one and the same answer', async (_, authorization) => {
    const { target, ask } = await setUp({ optional: true });
    const { status, headers, body } = await ask(...authorization);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Basic realm="api", charset="UTF-8"');
    const { requestId: _id, ...problem } = JSON.parse(body.toString());
    expect(problem).toEqual({
      type: 'urn:sallyport:error:GW_CREDENTIALS_INVALID',
      title: 'The credentials are not valid',
      status: 401,
      code: 'GW_CREDENTIALS_INVALID',
    });
    expect(target.requests).toHaveLength(0);
  });

  test('takes the scheme whatever its case', async () => {
    const { ask } = await setUp();
    const value = encode('ada:correct horse');
    for (const scheme of ['basic', 'BASIC', 'Basic ']) {
      expect((await ask(value.replace('Basic', scheme))).status).toBe(200);
    }
  });

  test('leaves other schemes alone where it is optional', async () => {
    const { target, ask } = await setUp({ optional: true });
    expect((await ask('Bearer x')).status).toBe(200);
    expect(target.requests[0]?.headers.authorization).toBe('Bearer x');
    expect((await ask()).status).toBe(200);
  });

  test('never logs a password', async () => {
    const { gateway, ask } = await setUp();
    await ask(encode('ada:correct horse'));
    await ask(encode('ada:battery staple'));
    await gateway.gateway.close();
    const log = gateway.log
      .lines()
      .map((line) => JSON.stringify(line))
      .join('\n');
    expect(log).not.toMatch(/correct horse|battery staple/);
    expect(log).not.toContain(encode('ada:battery staple').slice(6));
  });

  test('checks few passwords at a time, and says that it cannot check more', async () => {
    const dear = await hashPassword('dear', CHEAP);
    const { ask } = await setUp({ users: { ...users, dear: { password: dear } } });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(encode(`dear:${i}`))));
    const statuses = new Set(answers.map(({ status }) => status));
    expect(statuses).toEqual(new Set([401, 503]));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(34);
    const busy = answers.find(({ status }) => status === 503);
    expect(busy?.headers.get('retry-after')).toBe('1');
    expect(JSON.parse(busy?.body.toString() ?? '').code).toBe('GW_AUTH_UNAVAILABLE');
  });

  test('checks a password that many present at once only once', async () => {
    const dear = await hashPassword('dear', CHEAP);
    const { ask } = await setUp({ users: { dear: { password: dear } } });
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(encode('dear:dear'))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

describe('hashes of passwords', () => {
  test('differ each time, and are good', async () => {
    const [first, second] = await Promise.all([hashPassword('a', CHEAP), hashPassword('a', CHEAP)]);
    expect(first).not.toBe(second);
    expect(findHashFault(first)).toBeUndefined();
    expect(await hashPassword('a')).toMatch(
      /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
    );
  });

  test.each([
    ['correct horse', 'is not the hash of a password'],
    ['', 'is empty'],
    ['$2b$10$abcdefghijklmnopqrstuv', 'is not the hash of a password'],
    [ADA.replace('ln=10', 'ln=9'), 'is guessed too easily'],
    [ADA.replace('r=1', 'r=0'), 'is guessed too easily'],
    [ADA.replace('ln=10', 'ln=60'), 'takes too long'],
    [ADA.replace('p=1', 'p=99'), 'takes too long'],
  ])('%s is refused', (password, problem) => {
    const problems = problemsOf(basic, { users: { ada: { password } } }).join();
    expect(problems).toContain(problem);
  });

  test('of a user with a colon in its name are refused', () => {
    expect(problemsOf(basic, { users: { 'a:b': users.ada } }).join()).toContain('is not a user name');
    expect(problemsOf(basic, { users: {} }).join()).toContain('is empty');
  });
});
