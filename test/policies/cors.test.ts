import { describe, expect, test } from 'vitest';
import { EMPTY_BODY } from '../../src/core/body.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { compileOrigins } from '../../src/policies/cors/origin-pattern.ts';
import { cors, ipFilter } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, runThrough, stubExchange, upstreamHead } from '../core/stub-exchange.ts';
import { fc } from '../support/fast-check.ts';

type Fields = readonly (readonly [string, string])[];
const APP = 'https://app.example.com';

/** What a client gets, as lower-case lines, for a request with these fields. */
async function linesFor(options: object, headers: Fields, method = 'GET', upstream: Fields = []) {
  const { pipeline } = policyPipeline([cors, options]);
  const exchange = stubExchange({ method, headers });
  const { head } = await runThrough(pipeline, exchange, { head: upstreamHead(upstream), body: EMPTY_BODY });
  return { status: head.status, lines: [...head.headers].map(([name, value]) => `${name}: ${value}`) };
}

const preflight = (origin: string, ...more: Fields): Fields => [
  ['Origin', origin],
  ['Access-Control-Request-Method', 'PUT'],
  ...more,
];
const PREFLIGHT_VARY = 'vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
const DEFAULT_METHODS = 'access-control-allow-methods: GET, HEAD, PUT, PATCH, POST, DELETE';

describe('an actual request', () => {
  const cases: [string, object, Fields, string[]][] = [
    ['no origin', { origins: [APP] }, [], ['vary: Origin']],
    [
      'the origin',
      { origins: [APP] },
      [['Origin', APP]],
      ['vary: Origin', `access-control-allow-origin: ${APP}`],
    ],
    ['another origin', { origins: [APP] }, [['Origin', 'https://evil.example']], ['vary: Origin']],
    ['the origin on another port', { origins: [APP] }, [['Origin', `${APP}:8443`]], ['vary: Origin']],
    ['the origin over http', { origins: [APP] }, [['Origin', 'http://app.example.com']], ['vary: Origin']],
    [
      'two origins at once',
      { origins: [APP] },
      [
        ['Origin', APP],
        ['Origin', APP],
      ],
      ['vary: Origin'],
    ],
    ['null', { origins: [APP], credentials: true }, [['Origin', 'null']], ['vary: Origin']],
    ['any origin', { origins: ['*'] }, [['Origin', 'https://x.test']], ['access-control-allow-origin: *']],
    ['any origin, and none given', { origins: ['*'] }, [], []],
    [
      'credentials',
      { origins: [APP], credentials: true },
      [['Origin', APP]],
      ['vary: Origin', `access-control-allow-origin: ${APP}`, 'access-control-allow-credentials: true'],
    ],
    [
      'exposed headers',
      { origins: ['*'], exposedHeaders: ['etag', 'x-total'] },
      [['Origin', APP]],
      ['access-control-allow-origin: *', 'access-control-expose-headers: etag, x-total'],
    ],
  ];

  test.each(cases)('with %s', async (_, options, headers, expected) => {
    expect((await linesFor(options, headers)).lines).toEqual(expected);
  });

  test.each([
    ['Accept-Encoding', ['Vary: Accept-Encoding', 'vary: Origin']],
    ['accept, origin', ['Vary: accept, origin']],
    ['*', ['Vary: *']],
    ['X-Origin', ['Vary: X-Origin', 'vary: Origin']],
  ])('Vary: %s of the upstream is kept and completed', async (vary, expected) => {
    expect((await linesFor({ origins: [APP] }, [], 'GET', [['Vary', vary]])).lines).toEqual(expected);
  });

  test('what the upstream says about CORS does not pass', async () => {
    const upstream: Fields = [
      ['Access-Control-Allow-Origin', '*'],
      ['ACCESS-CONTROL-ALLOW-CREDENTIALS', 'true'],
      ['Access-Control-Expose-Headers', 'set-cookie'],
      ['Content-Type', 'text/plain'],
    ];
    const { lines } = await linesFor({ origins: [APP] }, [['Origin', 'https://evil.test']], 'GET', upstream);
    expect(lines).toEqual(['Content-Type: text/plain', 'vary: Origin']);
  });

  test('a failure of the gateway carries them too, so that pages can read it', async () => {
    const { pipeline } = policyPipeline([ipFilter, { deny: ['192.0.2.7'] }], [cors, { origins: [APP] }]);
    const { head } = await runThrough(pipeline, stubExchange({ headers: [['Origin', APP]] }));
    expect(head.status).toBe(403);
    expect(head.headers.get('access-control-allow-origin')).toBe(APP);

    const exchange = stubExchange({ headers: [['Origin', APP]] });
    pipeline.runRequest(exchange);
    const { head: late } = await pipeline.runReply(exchange, new GatewayError('GW_UPSTREAM_TIMEOUT'));
    expect(late.status).toBe(504);
    expect(late.headers.get('access-control-allow-origin')).toBe(APP);
  });
});

describe('a preflight', () => {
  test('is answered 204 with what pages may do', async () => {
    const asked = ['Access-Control-Request-Headers', 'authorization, x-trace'] as const;
    const options = { origins: [APP], credentials: true };
    expect(await linesFor(options, preflight(APP, asked), 'OPTIONS')).toEqual({
      status: 204,
      lines: [
        PREFLIGHT_VARY,
        `access-control-allow-origin: ${APP}`,
        'access-control-allow-credentials: true',
        DEFAULT_METHODS,
        'access-control-allow-headers: authorization, x-trace',
        'access-control-max-age: 600',
      ],
    });
  });

  test('says what is configured', async () => {
    const options = { origins: ['*'], methods: ['GET'], headers: ['x-a', 'x-b'], maxAge: '1h' };
    const asked = ['Access-Control-Request-Headers', 'x-c'] as const;
    expect((await linesFor(options, preflight(APP, asked), 'OPTIONS')).lines).toEqual([
      PREFLIGHT_VARY,
      'access-control-allow-origin: *',
      'access-control-allow-methods: GET',
      'access-control-allow-headers: x-a, x-b',
      'access-control-max-age: 3600',
    ]);
  });

  test.each([
    ['with credentials', { origins: [APP], credentials: true }],
    ['without', { origins: ['*'] }],
  ])("'*' says back what is asked for, which browsers take also %s", async (_, given) => {
    const options = { ...given, headers: ['*'], methods: ['*'] };
    const asked: Fields = [
      ['Origin', APP],
      ['Access-Control-Request-Method', 'PURGE'],
      ['Access-Control-Request-Headers', 'authorization,x-a'],
    ];
    const { lines } = await linesFor(options, asked, 'OPTIONS');
    expect(lines).toContain('access-control-allow-methods: PURGE');
    expect(lines).toContain('access-control-allow-headers: authorization,x-a');
  });

  test("'*' says nothing back where no field is asked for, or what is not a method", async () => {
    const asked: Fields = [
      ['Origin', APP],
      ['Access-Control-Request-Method', 'GET, PUT'],
    ];
    const { lines } = await linesFor({ origins: [APP], headers: ['*'], methods: ['*'] }, asked, 'OPTIONS');
    expect(lines.filter((line) => line.startsWith('access-control-allow-'))).toEqual([
      `access-control-allow-origin: ${APP}`,
    ]);
  });

  test.each([
    [['etag', 'x-total'], 'etag, x-total'],
    [['*'], '*'],
  ])('says too that %j may be read', async (exposedHeaders, line) => {
    const { lines } = await linesFor({ origins: ['*'], exposedHeaders }, preflight(APP), 'OPTIONS');
    expect(lines).toContain(`access-control-expose-headers: ${line}`);
  });

  test('tells an origin that is not let in nothing', async () => {
    expect(await linesFor({ origins: [APP] }, preflight('https://evil.test'), 'OPTIONS')).toEqual({
      status: 204,
      lines: [PREFLIGHT_VARY],
    });
  });

  test('does not reflect what are not header names', async () => {
    const asked = ['Access-Control-Request-Headers', 'x-a: "<script>"'] as const;
    const { lines } = await linesFor({ origins: [APP] }, preflight(APP, asked), 'OPTIONS');
    expect(lines.join()).not.toContain('script');
  });

  test.each([
    [true, 'access-control-allow-private-network: true'],
    [false, undefined],
  ])('with privateNetwork: %s', async (privateNetwork, line) => {
    const asked = ['Access-Control-Request-Private-Network', 'true'] as const;
    const { lines } = await linesFor({ origins: [APP], privateNetwork }, preflight(APP, asked), 'OPTIONS');
    expect(lines.find((each) => each.startsWith('access-control-allow-private'))).toBe(line);
    expect(lines[0]?.includes('Private-Network')).toBe(privateNetwork);
  });

  test('comes before everything that refuses, wherever cors is written', async () => {
    const { pipeline } = policyPipeline([ipFilter, { deny: ['192.0.2.7'] }], [cors, { origins: [APP] }]);
    const exchange = stubExchange({ method: 'OPTIONS', headers: preflight(APP) });
    expect((await runThrough(pipeline, exchange)).head.status).toBe(204);
  });

  test.each([
    ['OPTIONS', [['Origin', APP]]],
    ['OPTIONS', [['Access-Control-Request-Method', 'PUT']]],
    ['GET', preflight(APP)],
  ] as [string, Fields][])('is not %s with %j, which goes to the upstream', async (method, headers) => {
    expect((await linesFor({ origins: [APP] }, headers, method)).status).toBe(200);
  });
});

describe('origins', () => {
  test.each([
    ['https://*.example.com', 'https://a.example.com', true],
    ['https://*.example.com', 'https://a.b.example.com', true],
    ['https://*.example.com', 'https://example.com', false],
    ['https://*.example.com', 'https://.example.com', false],
    ['https://*.example.com', 'https://evilexample.com', false],
    ['https://*.example.com', 'http://a.example.com', false],
    ['https://*.example.com', 'https://a.example.com:8443', false],
    ['https://*.example.com', 'https://evil.test/.example.com', false],
    ['https://*.example.com', 'https://evil.test?.example.com', false],
    ['https://*.example.com', 'https://evil.test#.example.com', false],
    ['https://*.example.com', 'https://evil.test:1.example.com', false],
    ['https://*.example.com', 'https://user@a.example.com', false],
    ['https://*.example.com', 'https://a.example.com.evil.test', false],
    ['https://*.example.com:8443', 'https://a.example.com:8443', true],
    ['HTTPS://App.Example.com', 'https://app.example.com', true],
    ['https://app.example.com:443', 'https://app.example.com', true],
    ['http://localhost:3000', 'http://localhost:3000', true],
    ['http://localhost:3000', 'http://localhost:30001', false],
    ['https://bücher.example', 'https://xn--bcher-kva.example', true],
    ['capacitor://localhost', 'capacitor://localhost', true],
    ['http://[::1]:3000', 'http://[::1]:3000', true],
    [APP, 'null', false],
    [APP, '', false],
  ])('%s and %s: %s', (pattern, origin, expected) => {
    expect(problemsOf(cors, { origins: [pattern] })).toEqual([]);
    expect(compileOrigins([pattern])(origin)).toBe(expected);
  });

  test('a wildcard never lets in an origin whose host is not below it', () => {
    const matches = compileOrigins(['https://*.example.com']);
    const piece = fc.oneof(
      fc.constantFrom('a', '.', '/', ':', '@', '#', '?', '\\', '%', '[', 'b'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const origin = `https://${pieces.join('')}.example.com`;
        if (!matches(origin)) return;
        const url = new URL(origin);
        expect(url.hostname).toBe(origin.slice('https://'.length));
        expect(url.hostname.endsWith('.example.com')).toBe(true);
      }),
    );
  });

  test.each([
    [{}, 'origins'],
    [{ origins: [] }, 'origins: is empty'],
    [{ origins: ['null'] }, 'sandboxed'],
    [{ origins: ['https://app.example.com/'] }, 'without a path'],
    [{ origins: ['app.example.com'] }, 'is not an origin'],
    [{ origins: ['https://*'] }, 'for whole labels'],
    [{ origins: ['https://app-*.example.com'] }, 'for whole labels'],
    [{ origins: ['*', APP] }, "holds '*' beside others"],
    [{ origins: ['*'], credentials: true }, "is '*' with credentials"],
    [{ origins: [APP], methods: ['get'] }, 'in capitals'],
    [{ origins: [APP], methods: ['*', 'GET'] }, "methods: holds '*' beside others"],
    [{ origins: [APP], headers: ['x-a', '*'] }, "headers: holds '*' beside others"],
    [{ origins: [APP], exposedHeaders: ['*', 'etag'] }, "exposedHeaders: holds '*' beside others"],
    [{ origins: [APP], exposedHeaders: ['*'], credentials: true }, "exposedHeaders: is '*' with credentials"],
    [{ origins: [APP], header: ['a'] }, 'header'],
  ])('%j is refused', (options, message) => {
    expect(problemsOf(cors, options).join()).toContain(message);
  });
});
