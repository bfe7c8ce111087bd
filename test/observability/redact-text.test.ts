import { describe, expect, it } from 'vitest';
import { redactPath, redactQuery, redactText } from '../../src/observability/redact-text.ts';
import { fc } from '../support/fast-check.ts';

describe('encoded values', () => {
  it('are looked into up to 2 KiB of a text, and the rest is taken for secret', () => {
    const pairs = (count: number): string => Array.from({ length: count }, (_, i) => `p${i}=a%20b`).join('&');
    expect(redactQuery(pairs(400))).toBe(pairs(400));
    expect(redactQuery(pairs(420))).toContain('p419=[redacted]');
    expect(redactQuery(`a=${'%20'.repeat(700)}&b=1`)).toBe('a=[redacted]&b=1');
  });
});

describe('redactQuery', () => {
  it.each([
    ['token=X', 'token=[redacted]'],
    ['a=1&TOKEN=X&b=2', 'a=1&TOKEN=[redacted]&b=2'],
    ['%74oken=X', '%74oken=[redacted]'],
    ['%2574oken=X', '%2574oken=[redacted]'],
    ['api%5Fkey=X', 'api%5Fkey=[redacted]'],
    ['api.key=X&api-key=X', 'api.key=[redacted]&api-key=[redacted]'],
    ['user[password]=X', 'user[password]=[redacted]'],
    ['user%5Bpassword%5D=X', 'user%5Bpassword%5D=[redacted]'],
    ["token='X'X&a=1", 'token=[redacted]&a=1'],
    ['token=X=X%26X', 'token=[redacted]'],
    ['token=X;key=X', 'token=[redacted]'],
    ['a=1;key=X', 'a=1;key=[redacted]'],
    ['next=%2Fa%3Ftoken%3DX&a=1', 'next=[redacted]&a=1'],
    ['next=https%3A%2F%2Fme%3AX%40h%2F', 'next=[redacted]'],
    ['next=/a?token=X', 'next=/a?token=[redacted]'],
    ['next=//me:X@h/', 'next=//[redacted]@h/'],
    ['a=Bearer%20X', 'a=Bearer [redacted]'],
    ['a=Bearer+X', 'a=Bearer [redacted]'],
    ['a=eyJhbGciOiJIUzI1NiJ9.X.X', 'a=[redacted]'],
    ['a=sp_live_X_X', 'a=[redacted]'],
    [
      'X-Amz-Signature=X&X-Amz-Security-Token=X',
      'X-Amz-Signature=[redacted]&X-Amz-Security-Token=[redacted]',
    ],
    ['code=X&state=y', 'code=[redacted]&state=y'],
    ['token=', 'token='],
    ['token', 'token'],
    ['%zz=1&%=2&token=X', '%zz=1&%=2&token=[redacted]'],
  ])('turns %s into %s', (query, redacted) => {
    expect(redactQuery(query)).toBe(redacted);
  });

  it.each([
    'page=2&sort=asc',
    'q=hello%20world',
    'statusCode=500',
    'keyboard=de&tokenise=1',
    'postcode=12345',
  ])('keeps %s', (query) => expect(redactQuery(query)).toBe(query));

  it('lets no secret through, however its name is encoded and whatever stands around it', () => {
    const name = fc
      .constantFrom('token', 'access_token', 'API_KEY', 'Password', 'secret', 'client-secret', 'code', 'key')
      .chain((text) => fc.tuple(...[...text].map((c) => fc.constantFrom(c, percent(c), percent(percent(c))))))
      .map((parts) => parts.join(''));
    const noise = fc.stringMatching(/^[a-z0-9%&=;.+'-]{0,20}$/);
    fc.assert(
      fc.property(noise, name, noise, (before, secretName, after) => {
        expect(redactQuery(`${before}&${secretName}=S3CR3T&${after}`)).not.toContain('S3CR3T');
      }),
    );
  });
});

function percent(text: string): string {
  return text.replace(/[^a-z0-9]|^[a-z0-9]/gi, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

describe('names in a query', () => {
  it.each([
    ...[
      'pass',
      'Pass',
      'pw',
      'passwd1',
      'new_password_confirmation',
      'passcode',
      'user[pass]',
      'user%5Bpass%5D',
    ],
    ...['otp', 'totp', 'mfa_code', 'login.otp', 'SAMLResponse', 'SAMLRequest', 'SAMLart', 'samlResponse'],
    ...['ticket', 'pgtId', 'pgtIou', 'wresult', 'code', 'verification_code', 'reset-code', 'smsCode', 'tan'],
    ...['oauth_verifier', 'id_token_hint', 'jsessionid', 'hmac', 'cvv', 'magic', 'tick%65t', 'data[0][otp]'],
  ])('hide what %s says', (name) => {
    expect(redactQuery(`page=2&${name}=S3CR3T&sort=asc`)).toBe(`page=2&${name}=[redacted]&sort=asc`);
  });

  it.each([
    'passenger',
    'compass',
    'ticketType',
    'country_code',
    'zipcode',
    'saml',
    'hotpot',
    'standard',
    'bypass',
  ])('show what %s says', (name) => expect(redactQuery(`${name}=shown`)).toBe(`${name}=shown`));
});

describe('redactPath', () => {
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
  const key = 'sp_live_0123456789AB_0123456789012345678901234567890123456789012345678';

  it.each([
    [`/verify/${jwt}`, '/verify/[redacted]'],
    [`/verify/${jwt}/next`, '/verify/[redacted]/next'],
    [`/verify/${jwt.replaceAll('.', '%2E')}/next`, '/verify/[redacted]/next'],
    [`/v1/${key}/x`, '/v1/[redacted]/x'],
    [`/v1/key-${key}`, '/v1/key-[redacted]'],
    [`/v1/key${key}`, '/v1/key[redacted]'],
    [`/v1/${key.replaceAll('_', '%5F')}`, '/v1/[redacted]'],
    ['/shop;jsessionid=ABC/cart', '/shop;jsessionid=[redacted]'],
    ['/proxy/https://user:pass@host/x', '/proxy/https://[redacted]@host/x'],
  ])('turns %s into %s', (path, redacted) => expect(redactPath(path)).toBe(redacted));

  it.each(['/orders/7', '/sp_/x', '/keys/7', '/token', '/a%20b', '/items:purge'])('keeps %s', (path) =>
    expect(redactPath(path)).toBe(path),
  );
});

describe('redactText', () => {
  it.each([
    ['Authorization: Bearer X Y\r\nHost: h', 'Authorization: [redacted]\r\nHost: h'],
    ['cookie: a=X; b=X', 'cookie: [redacted]'],
    ['{"password":"X\\"X","a":1}', '{"password":[redacted],"a":1}'],
    ['{\\"password\\":\\"X\\",\\"a\\":1}', '{\\"password\\":[redacted],\\"a\\":1}'],
    ['{"tokens":["X","X"]}', '{"tokens":[redacted]'],
    ["[ 'x-api-key', 'X' ]", "[ 'x-api-key', [redacted] ]"],
    ["Map(1) { 'cookie' => 'X' }", "Map(1) { 'cookie' => [redacted] }"],
    ["{ authorization: 'X' }", '{ authorization: [redacted] }'],
    ['Basic dXNlcjpYWFg=', 'Basic [redacted]'],
    ['-----BEGIN RSA PRIVATE KEY-----\nX\n-----END RSA PRIVATE KEY-----\nok', '[redacted]\nok'],
    ['-----BEGIN PRIVATE KEY-----\nX', '[redacted]'],
  ])('turns %s into %s', (text, redacted) => {
    expect(redactText(text)).toBe(redacted);
  });

  it.each([
    'connect ECONNREFUSED 127.0.0.1:9001',
    'duplicate key: orders',
    'invalid token: it has expired',
    'basic checks failed',
    'line 3: routes[0].path is missing',
  ])('keeps %s', (text) => expect(redactText(text)).toBe(text));

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z"'\\:=&% \n/@{[]{0,60}$/), (text) => {
        const once = redactText(`token=a ${text} "key":"b" //u:p@h`);
        expect(redactText(once)).toBe(once);
      }),
    );
  });

  it.each([
    ['a=', '%20'],
    ['a=%20&', ''],
    ['x=%20', '&'],
    ['//', ''],
    ['"token":', ''],
    ["key='\\", ''],
    ['bearer+', ''],
    ['%25', '=1'],
    ['token=\\"', ''],
    ['sp_a', ''],
    ['sp_a_', ''],
    ['sp%5Fa%5F', ''],
    ['eyJaaaa.', ''],
    ['[a', '=1'],
    ['password', '=1'],
  ])('does work in proportion to the text: %s', (part, end) => {
    // Quadratic work on this length takes minutes, more than a test may.
    expect(redactText(part.repeat(100_000) + end)).toBeTypeOf('string');
  });
});
