import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { createAccessLog } from '../../src/observability/access-log.ts';
import { fc } from '../support/fast-check.ts';
import { MemoryDestination } from './memory-destination.ts';
import { StubClock } from './stub-clock.ts';
import { finishedExchange } from './stub-exchange.ts';

function setUp(level: 'info' | 'warn' | 'error' | 'silent' = 'info') {
  const destination = new MemoryDestination();
  return { destination, accessLog: createAccessLog({ destination, level, clock: new StubClock() }) };
}

describe('access log', () => {
  it('writes one line of JSON with what the exchange was', () => {
    const { accessLog, destination } = setUp();
    accessLog.write(finishedExchange({ query: 'page=2' }), 1012.25);
    expect(destination.lines()).toEqual([
      {
        level: 30,
        time: 1_700_000_000_000,
        requestId: 'id-1',
        route: 'orders',
        method: 'GET',
        host: 'api.example.com',
        path: '/orders/7',
        query: 'page=2',
        status: 200,
        durationMs: 12.25,
        upstream: 'orders',
        target: '127.0.0.1:9001',
        upstreamMs: 2.5,
        bytes: 124,
        client: '10.0.0.1',
        msg: 'request',
      },
    ]);
  });

  it('shows no token and no key in a path, nor in a reason that code has given', () => {
    const { accessLog, destination } = setUp();
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
    const failure = new GatewayError('GW_FORBIDDEN', { reason: `bad ${token}`.slice(0, 60), detail: token });
    const path = `/verify/${token}`;
    accessLog.write(finishedExchange({ path, query: `SAMLResponse=abc&pass=abc`, failure }), 1001);
    expect(destination.lines()[0]).toMatchObject({
      path: '/verify/[redacted]',
      query: 'SAMLResponse=[redacted]&pass=[redacted]',
    });
    expect(JSON.stringify(destination.lines())).not.toMatch(/eyJ|abc/);
  });

  it('leaves out the upstream where none was asked, and its time where it did not respond', () => {
    const { accessLog, destination } = setUp();
    accessLog.write(finishedExchange({ upstream: '', target: '' }), 1001);
    accessLog.write(finishedExchange({ respondedAt: 0 }), 1001);
    const [none, silent] = destination.lines();
    expect(none).not.toHaveProperty('upstream');
    expect(silent).toHaveProperty('target', '127.0.0.1:9001');
    expect(silent).not.toHaveProperty('upstreamMs');
  });

  it('writes failures of upstreams as errors with the cause, without the place in our code', () => {
    const { accessLog, destination } = setUp();
    const cause = Object.assign(new Error('connect ECONNREFUSED http://user:hunter2@db/?token=abc'), {
      code: 'ECONNREFUSED',
    });
    const failure = new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause });
    accessLog.write(finishedExchange({ failure, status: 503 }), 1001);
    expect(destination.lines()[0]).toMatchObject({
      level: 50,
      code: 'GW_UPSTREAM_UNREACHABLE',
      cause: { type: 'Error', code: 'ECONNREFUSED' },
    });
    expect(destination.text).not.toMatch(/hunter2|abc|access-log\.test/);
  });

  it('writes where it happened when the gateway itself failed', () => {
    const { accessLog, destination } = setUp();
    const failure = new GatewayError('GW_POLICY_FAILED', { cause: new TypeError('no such thing') });
    accessLog.write(finishedExchange({ failure, status: 500 }), 1001);
    expect(destination.lines()[0]?.cause).toMatchObject({
      stack: expect.stringContaining('access-log.test'),
    });
  });

  it('writes what clients did wrong as warnings', () => {
    const { accessLog, destination } = setUp();
    const failure = new GatewayError('GW_BODY_TOO_LARGE', { detail: 'at most 1 MiB' });
    accessLog.write(finishedExchange({ failure, status: 413 }), 1001);
    expect(destination.lines()[0]).toMatchObject({
      level: 40,
      code: 'GW_BODY_TOO_LARGE',
      detail: 'at most 1 MiB',
    });
  });

  it('survives causes that are not errors', () => {
    const { accessLog, destination } = setUp();
    for (const cause of ['text', 7, null, () => 1, Symbol('x')])
      accessLog.write(finishedExchange({ failure: new GatewayError('GW_INTERNAL', { cause }) }), 1001);
    expect(destination.lines().map(({ cause }) => cause)).toEqual(['text', 7, null, null, null]);
  });

  it('writes one line for a request that was not valid HTTP', () => {
    const { accessLog, destination } = setUp();
    accessLog.malformed({
      code: 'GW_BAD_REQUEST',
      client: '10.0.0.9',
      reason: 'HPE_INVALID_METHOD "x"\u009b31m',
    });
    expect(destination.lines()).toEqual([
      {
        level: 40,
        time: 1_700_000_000_000,
        client: '10.0.0.9',
        status: 400,
        code: 'GW_BAD_REQUEST',
        reason: 'HPE_INVALID_METHOD "x"\u009b31m',
        msg: 'malformed request',
      },
    ]);
    expect(destination.text).toContain('\\u009b31m');
  });

  it.each([
    ['info', 3],
    ['warn', 2],
    ['error', 1],
    ['silent', 0],
  ] as const)('at level %s writes %i of a success, a mistake and a failure', (level, count) => {
    const { accessLog, destination } = setUp(level);
    accessLog.write(finishedExchange(), 1001);
    accessLog.malformed({ code: 'GW_BAD_REQUEST', client: '10.0.0.9', reason: 'bad' });
    accessLog.write(finishedExchange({ failure: new GatewayError('GW_UPSTREAM_TIMEOUT') }), 1001);
    expect(destination.lines()).toHaveLength(count);
  });

  it('takes secrets out of the query', () => {
    const { accessLog, destination } = setUp();
    const query =
      'access_token=AAA&api_key=BBB&token=CCC&key=DDD&password=EEE&secret=FFF&code=GGG&%61ccess_Token=HHH&page=2';
    accessLog.write(finishedExchange({ query }), 1001);
    expect(destination.text).not.toMatch(/AAA|BBB|CCC|DDD|EEE|FFF|GGG|HHH/);
    expect(destination.lines()[0]?.query).toMatch(/^access_token=\[redacted\]&api_key=.*&page=2$/);
  });

  it('writes valid lines whatever stands in the strings', () => {
    const text = fc.string({ unit: 'binary', maxLength: 30 });
    fc.assert(
      fc.property(text, text, text, text, text, (requestId, path, host, id, method) => {
        const { accessLog, destination } = setUp();
        accessLog.write(finishedExchange({ requestId, path, host, route: { id }, method }), 1001);
        expect(destination.text).toMatch(/^[^\p{Cc}\u2028\u2029]*\n$/u);
        expect(destination.lines()).toHaveLength(1);
        expect(destination.lines()[0]).toMatchObject({ requestId, path, host, route: id, method });
      }),
    );
  });

  it('writes durations and times as numbers, whatever they are', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (duration) => {
        const { accessLog, destination } = setUp();
        accessLog.write(finishedExchange(), 1000 + duration);
        expect(destination.lines()[0]?.durationMs).toBeCloseTo(duration, 2);
      }),
    );
  });
});
