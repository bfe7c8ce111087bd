import { describe, expect, test } from 'vitest';
import { EMPTY_BODY } from '../../src/core/body.ts';
import { cors, ipFilter, securityHeaders } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, runThrough, stubExchange, upstreamHead } from '../core/stub-exchange.ts';

type Fields = readonly (readonly [string, string])[];

async function headersFor(options: object, site: object = {}, upstream: Fields = []) {
  const { pipeline } = policyPipeline([securityHeaders, options]);
  const exchange = Object.assign(stubExchange(), site);
  const { head } = await runThrough(pipeline, exchange, { head: upstreamHead(upstream), body: EMPTY_BODY });
  return head.headers;
}

test("sends helmet's set with values fit for an API", async () => {
  expect(Object.fromEntries(await headersFor({}, { scheme: 'https' }))).toEqual({
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'origin-agent-cluster': '?1',
    'referrer-policy': 'no-referrer',
    'strict-transport-security': 'max-age=31536000',
    'x-content-type-options': 'nosniff',
    'x-dns-prefetch-control': 'off',
    'x-download-options': 'noopen',
    'x-frame-options': 'DENY',
    'x-permitted-cross-domain-policies': 'none',
    'x-xss-protection': '0',
  });
});

test('takes the place of what the upstream sent, and hides its software', async () => {
  const headers = await headersFor({}, {}, [
    ['X-Frame-Options', 'ALLOWALL'],
    ['Server', 'nginx/1.22'],
    ['X-Powered-By', 'Express'],
    ['Content-Type', 'text/plain'],
  ]);
  expect(headers.getAll('x-frame-options')).toEqual(['DENY']);
  expect(headers.has('server')).toBe(false);
  expect(headers.has('x-powered-by')).toBe(false);
  expect(headers.get('content-type')).toBe('text/plain');
});

test('what is switched off passes as the upstream sent it', async () => {
  const upstream: Fields = [
    ['Content-Security-Policy', "default-src 'self'"],
    ['Server', 'nginx'],
    ['Strict-Transport-Security', 'max-age=1'],
  ];
  const options = { contentSecurityPolicy: false, hideSoftware: false, strictTransportSecurity: false };
  const headers = await headersFor(options, { scheme: 'https' }, upstream);
  expect(headers.get('content-security-policy')).toBe("default-src 'self'");
  expect(headers.get('server')).toBe('nginx');
  expect(headers.get('strict-transport-security')).toBe('max-age=1');
  expect((await headersFor({ xFrameOptions: false })).has('x-frame-options')).toBe(false);
});

test('takes values of one’s own', async () => {
  const headers = await headersFor({ referrerPolicy: 'same-origin', xFrameOptions: 'SAMEORIGIN' });
  expect(headers.get('referrer-policy')).toBe('same-origin');
  expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
});

describe('HSTS', () => {
  test.each([
    ['https', 'api.example.com', true],
    ['https', 'api.example.com:8443', true],
    ['https', 'intranet', true],
    ['http', 'api.example.com', false],
    ['https', 'localhost', false],
    ['https', 'localhost:8443', false],
    ['https', 'LOCALHOST.', false],
    ['https', 'app.localhost', false],
    ['https', '127.0.0.1', false],
    ['https', '192.0.2.7:8443', false],
    ['https', '[::1]', false],
    ['https', '[2001:db8::1]:8443', false],
  ])('over %s for %s: %s', async (scheme, publicAuthority, expected) => {
    const upstream: Fields = [['Strict-Transport-Security', 'max-age=1; includeSubDomains']];
    const headers = await headersFor({}, { scheme, publicAuthority }, upstream);
    expect(headers.get('strict-transport-security')).toBe(expected ? 'max-age=31536000' : undefined);
  });

  test.each([
    [{ maxAge: '1h' }, 'max-age=3600'],
    [{ includeSubDomains: true }, 'max-age=31536000; includeSubDomains'],
    [{ includeSubDomains: true, preload: true }, 'max-age=31536000; includeSubDomains; preload'],
  ])('%j', async (strictTransportSecurity, expected) => {
    const headers = await headersFor({ strictTransportSecurity }, { scheme: 'https' });
    expect(headers.get('strict-transport-security')).toBe(expected);
  });
});

test.each([
  [{ strictTransportSecurity: { preload: true } }, 'preload without includeSubDomains'],
  [{ xFrameOptions: '' }, 'is empty'],
  [{ referrerPolicy: 'a\r\nb: c' }, 'xxx'],
  [{ frameguard: true }, 'frameguard'],
])('%j is refused', (options, message) => {
  const problems = problemsOf(securityHeaders, options);
  expect(problems).not.toEqual([]);
  if (message !== 'xxx') expect(problems.join()).toContain(message);
});

test('they are on rejections and preflights too, wherever the policy is written', async () => {
  const { pipeline } = policyPipeline(
    [ipFilter, { deny: ['192.0.2.7'] }],
    [cors, { origins: ['https://app.example.com'] }],
    [securityHeaders],
  );
  const refused = await runThrough(pipeline, stubExchange());
  expect(refused.head.status).toBe(403);
  expect(refused.head.headers.get('x-content-type-options')).toBe('nosniff');

  const headers: Fields = [
    ['Origin', 'https://app.example.com'],
    ['Access-Control-Request-Method', 'PUT'],
  ];
  const preflight = await runThrough(pipeline, stubExchange({ method: 'OPTIONS', headers }));
  expect(preflight.head.status).toBe(204);
  expect(preflight.head.headers.get('x-content-type-options')).toBe('nosniff');
});
