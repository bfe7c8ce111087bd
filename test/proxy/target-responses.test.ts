import { afterEach, describe, expect, it } from 'vitest';
import { bodyFrom } from '../../src/core/body.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { TargetRequest } from '../../src/core/message.ts';
import type { HttpTargetOptions } from '../../src/proxy/pool-options.ts';
import type { Outcome } from '../support/collecting-sink.ts';
import { fc } from '../support/fast-check.ts';
import { ManualBody, poolFor, type TestPool } from '../support/pool.ts';
import { answering, type RawConnection, type RawTarget, startRaw } from '../support/raw-target.ts';
import { until } from '../support/until.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(
  serve?: (connection: RawConnection) => unknown,
  options: Partial<HttpTargetOptions> = {},
): Promise<TestPool & { raw: RawTarget }> {
  const raw = await startRaw(serve);
  const pool = poolFor(raw.port, options);
  closers.push(() => raw.close());
  closers.push(() => pool.target.close());
  return { ...pool, raw };
}

/** Answers with `pieces`, each read by itself, and then ends the connection as `ending` says. */
function inPieces(pieces: readonly string[], ending: 'keep' | 'fin' | 'reset' = 'keep') {
  return async (connection: RawConnection): Promise<void> => {
    await connection.takeHead();
    for (const piece of pieces) {
      connection.write(piece);
      await turns(3);
    }
    if (ending === 'fin') connection.socket.end();
    if (ending === 'reset') connection.socket.resetAndDestroy();
  };
}

/** Lets what was written travel: both ends live in this process. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function respondTo(
  answer: string,
  ending: 'keep' | 'fin' | 'reset' = 'keep',
  request: Partial<TargetRequest> = {},
): Promise<Outcome> {
  const { send } = await start(inPieces([answer], ending));
  const sink = send(request);
  const outcome = await sink.outcome;
  expect(sink.lateCalls).toBe(0);
  return outcome;
}

describe('bodies', () => {
  it.each([
    ['of a stated length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'keep', 5],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
      'keep',
      undefined,
    ],
    ['until the connection ends', 'HTTP/1.1 200 OK\r\n\r\nhello', 'fin', undefined],
    ['until an HTTP/1.0 connection ends', 'HTTP/1.0 200 OK\r\n\r\nhello', 'fin', undefined],
  ] as const)('are taken %s', async (_, answer, ending, length) => {
    const outcome = await respondTo(answer, ending);
    expect(outcome).toMatchObject({ status: 200, body: 'hello', isWhole: true });
    expect(outcome.head?.length).toBe(length);
  });

  it.each([
    ['a stated length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello'],
    ['trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b'],
  ])('of %s that end early are broken, by FIN and by reset', async (_, answer) => {
    for (const ending of ['fin', 'reset'] as const) {
      const outcome = await respondTo(answer, ending);
      expect(outcome).toMatchObject({ status: 200, body: 'hello', isWhole: false });
      expect(outcome.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    }
  });

  it('until the connection ends are broken by a reset', async () => {
    const outcome = await respondTo('HTTP/1.1 200 OK\r\n\r\nhello', 'reset');
    expect(outcome).toMatchObject({ status: 200, isWhole: false });
  });

  it.each([
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n', 0],
    ['204 with a length of 0', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', 0],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\n\r\n', 0],
    ['304 with a length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 1300],
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 1300],
    ['HEAD in chunks', 'HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 1300],
  ])(
    'do not follow %s, and after some silence the connection is used again',
    async (_, method, answer, silenceMs) => {
      const { send, raw, clock } = await start(answering(answer));
      for (let i = 0; i < 3; i++) {
        expect(await send({ method }).outcome).toMatchObject({ body: '', isWhole: true });
        await turns(3);
        clock.advance(silenceMs);
      }
      expect(raw.connections).toHaveLength(1);
    },
  );

  it.each([
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello'],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello'],
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['Content-Length: 0', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello'],
    ['a body of a stated length', 'GET', `${OK}HTTP/1.1 200 OK\r\n\r\n`],
    ['the last chunk', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore'],
  ])('behind %s spoil the connection, but not the answer', async (_, method, answer) => {
    const { send, raw } = await start(answering(answer));
    for (let i = 0; i < 2; i++) {
      const outcome = await send({ method }).outcome;
      expect(outcome.isWhole).toBe(true);
      expect(outcome.body).toBe(method === 'GET' && answer.startsWith(OK) ? 'ok' : '');
    }
    expect(raw.connections).toHaveLength(2);
  });

  it('brings trailers, without those that may not stand there', async () => {
    const { trailers } = await respondTo(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nX-Auth-Role: admin\r\n\r\n',
    );
    expect([...(trailers ?? [])]).toEqual([['X-Sum', '7']]);
  });

  it('keep the target waiting while the sink is full', async () => {
    const { send } = await start(inPieces(['HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc', 'def']));
    const sink = send();
    sink.isSlow = true;
    await sink.headed;
    await turns(20);
    expect(sink.received).toBe('abc');
    sink.onDrain?.();
    expect(await sink.outcome).toMatchObject({ body: 'abcdef', isWhole: true });
  });
});

describe('interim responses', () => {
  it('pass on, but for 100', async () => {
    const outcome = await respondTo(
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${OK}`,
    );
    expect(outcome).toMatchObject({ interim: [103, 102], body: 'ok', isWhole: true });
  });

  it('are too many at 21', async () => {
    const hint = 'HTTP/1.1 103 Early Hints\r\n\r\n';
    expect(await respondTo(hint.repeat(20) + OK)).toMatchObject({ body: 'ok', isWhole: true });
    expect((await respondTo(hint.repeat(21) + OK)).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });

  it('do not switch protocols unasked, nor to another one', async () => {
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    expect((await respondTo(switching)).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    const asked = await respondTo(switching, 'keep', { upgrade: 'websocket' });
    expect(asked.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });
});

describe('hostile answers', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  const withField = (line: string): string => `HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`;
  const big = 'x'.repeat(70_000);

  it.each<[string, string]>([
    [
      'Content-Length beside Transfer-Encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', withField('Content-Length: 3')],
    ['the same length twice', withField('Content-Length: 2')],
    ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok'],
    ['a length with a sign', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok'],
    ['a hexadecimal length', 'HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok'],
    ['an empty length', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok'],
    ['an enormous length', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok'],
    ['a length beyond 2^53', 'HTTP/1.1 200 OK\r\nContent-Length: 9007199254740993\r\n\r\nok'],
    ['a bad length on 204', 'HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n'],
    ['two lengths on 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a coding that is not chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok'],
    ['codings before chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['chunked not last', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n'],
    [
      'chunked twice',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['an empty coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nok'],
    ['a coding with a tab in front', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: \tchunked x\r\n\r\n0\r\n\r\n'],
    ['a coding on HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['HTTP/2.0', OK.replace('HTTP/1.1', 'HTTP/2.0')],
    ['HTTP/1.2', OK.replace('HTTP/1.1', 'HTTP/1.2')],
    ['HTTP/0.9', OK.replace('HTTP/1.1', 'HTTP/0.9')],
    ['no version at all', `ok\r\n\r\n${OK}`],
    ['another protocol', OK.replace('HTTP/1.1', 'RTSP/1.0')],
    ['a name in lower case', OK.replace('HTTP/1.1', 'http/1.1')],
    ['ICY', OK.replace('HTTP/1.1', 'ICY')],
    ['status 99', OK.replace('200', '99')],
    ['status 099', OK.replace('200', '099')],
    ['status 000', OK.replace('200', '000')],
    ['status 600', OK.replace('200', '600')],
    ['status 999', OK.replace('200', '999')],
    ['status 2000', OK.replace('200', '2000')],
    ['status abc', OK.replace('200', 'abc')],
    ['no status', OK.replace('200 ', '')],
    ['two spaces before the status', OK.replace(' 200', '  200')],
    ['a tab before the status', OK.replace(' 200', '\t200')],
    ['a control character in the reason', OK.replace('OK', 'O\x01K')],
    ['NUL in the reason', OK.replace('OK', 'O\0K')],
    ['a bare CR in the reason', OK.replace('OK', 'O\rK')],
    ['a bare LF behind the status line', OK.replace('OK\r\n', 'OK\n')],
    ['a bare LF behind a field', OK.replace('2\r\n', '2\n')],
    ['bare LFs at the end of the head', OK.replace('\r\n\r\n', '\n\n')],
    ['a bare CR behind a field', OK.replace('2\r\n', '2\r')],
    ['CR CR LF', OK.replace('2\r\n', '2\r\r\n')],
    ['a bare CR within a value', withField('A: b\rX: y')],
    ['a bare LF within a value', withField('A: b\nX: y')],
    ['NUL within a value', withField('A: b\0c')],
    ['a control character within a value', withField('A: b\x08c')],
    ['DEL within a value', withField('A: b\x7fc')],
    ['a space before the colon', withField('A : b')],
    ['a space within a name', withField('A B: c')],
    ['a forbidden character within a name', withField('A(b): c')],
    ['a byte above 127 within a name', withField('A\xe4: c')],
    ['an empty name', withField(': c')],
    ['a line without colon', withField('nonsense')],
    ['a folded line', withField('A: b\r\n c')],
    ['a folded first line', 'HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\nok'],
    ['a folded line of white space', withField('A: b\r\n\t ')],
    ['a head of more than 64 KiB', withField(`A: ${big}`)],
    ['a reason of more than 64 KiB', OK.replace('OK', big)],
    ['more than 500 fields', withField(Array.from({ length: 501 }, (_, i) => `A${i}: b`).join('\r\n'))],
    ['an enormous name', withField(`${big}: b`)],
  ])('are refused: %s', async (_, answer) => {
    const outcome = await respondTo(answer);
    expect(outcome.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN', status: 502 });
    expect(outcome).toMatchObject({ status: undefined, isWhole: false, body: '' });
  });

  it.each<[string, string]>([
    ['a chunk size that is not a number', `${chunked}xyz\r\nok\r\n0\r\n\r\n`],
    ['an empty chunk size', `${chunked}\r\nok\r\n0\r\n\r\n`],
    ['a chunk size with a sign', `${chunked}+2\r\nok\r\n0\r\n\r\n`],
    ['a negative chunk size', `${chunked}-2\r\nok\r\n0\r\n\r\n`],
    ['a chunk size with 0x', `${chunked}0x2\r\nok\r\n0\r\n\r\n`],
    ['a space before the chunk size', `${chunked} 2\r\nok\r\n0\r\n\r\n`],
    ['an enormous chunk size', `${chunked}ffffffffffffffffff\r\nok\r\n0\r\n\r\n`],
    ['a chunk longer than its size', `${chunked}2\r\nokay\r\n0\r\n\r\n`],
    ['a bare LF behind the chunk size', `${chunked}2\nok\r\n0\r\n\r\n`],
    ['a bare LF behind the chunk', `${chunked}2\r\nok\n0\r\n\r\n`],
    ['a bare CR behind the chunk size', `${chunked}2\rok\r\n0\r\n\r\n`],
    ['no line end behind the chunk', `${chunked}2\r\nok0\r\n\r\n`],
    ['a chunk extension of more than 64 KiB', `${chunked}2;a=${big}\r\nok\r\n0\r\n\r\n`],
    ['leading zeros of more than 64 KiB', `${chunked}${'0'.repeat(70_000)}2\r\nok\r\n0\r\n\r\n`],
    ['trailers of more than 64 KiB', `${chunked}2\r\nok\r\n0\r\nA: ${big}\r\n\r\n`],
    ['NUL in a chunk extension', `${chunked}2;a=\0\r\nok\r\n0\r\n\r\n`],
    ['a folded trailer', `${chunked}2\r\nok\r\n0\r\nA: b\r\n c\r\n\r\n`],
    ['NUL in a trailer', `${chunked}2\r\nok\r\n0\r\nA: b\0\r\n\r\n`],
    ['a bare LF in a trailer', `${chunked}2\r\nok\r\n0\r\nA: b\nC: d\r\n\r\n`],
    ['a trailer without colon', `${chunked}2\r\nok\r\n0\r\nnonsense\r\n\r\n`],
  ])('break off behind a good head: %s', async (_, answer) => {
    const outcome = await respondTo(answer);
    expect(outcome).toMatchObject({ status: 200, isWhole: false });
    expect(outcome.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });

  it('leave no connection behind', async () => {
    const { send, raw, target } = await start(answering(withField('Content-Length: 3')));
    for (let i = 0; i < 3; i++) expect((await send().outcome).isWhole).toBe(false);
    await Promise.all(raw.connections.map((connection) => connection.closed()));
    expect(raw.connections).toHaveLength(3);
    expect(target.openConnections).toBe(0);
  });

  it.each([
    ['a head of 60 KiB', withField(`A: ${'x'.repeat(60_000)}`)],
    ['many fields', withField(Array.from({ length: 400 }, (_, i) => `A${i}: b`).join('\r\n'))],
    ['bytes above 127 in a value', withField('A: \xe4\xf6')],
    ['an empty value', withField('A:')],
    ['no reason', OK.replace(' OK', ' ')],
    ['no reason and no space', OK.replace(' OK', '')],
  ])('are not confused with %s', async (_, answer) => {
    expect(await respondTo(answer)).toMatchObject({ status: 200, body: 'ok', isWhole: true });
  });
});

describe('a body that is still being sent', () => {
  it('does not keep an early answer back, and spoils the connection', async () => {
    const { send, raw } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body });
    body.give('first');
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig');
    expect(await sink.outcome).toMatchObject({ status: 413, body: 'big', isWhole: true });
    expect(body.isCancelled).toBe(true);
    await connection.closed();
  });

  it('does not hide the answer of a target that resets the connection behind it', async () => {
    const { send, raw } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body });
    body.give('first');
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig');
    connection.socket.resetAndDestroy();
    for (let i = 0; i < 3; i++) body.give('more');
    expect(await sink.outcome).toMatchObject({ status: 413, body: 'big', isWhole: true });
  });

  it('may take longer than the idle limit where the client is slow', async () => {
    const { send, raw, clock } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body });
    const connection = await raw.connection(0);
    await connection.takeHead();
    for (let i = 0; i < 4; i++) {
      body.give('piece');
      clock.advance(45_000);
      clock.advance(100);
    }
    clock.advance(70_000);
    body.end();
    await connection.until((received) => received.endsWith('0\r\n\r\n'));
    connection.write(OK);
    expect(await sink.outcome).toMatchObject({ status: 200, isWhole: true });
  });

  it('is answered 504 where the target takes none of it for the idle limit', async () => {
    const { send, raw, clock } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body });
    (await raw.connection(0)).socket.pause();
    const piece = 'x'.repeat(1_000_000);
    while (body.give(piece) !== false) await turns(1);
    await turns(20);
    for (let i = 0; i < 3; i++) clock.advance(61_000);
    expect((await sink.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT', status: 504 });
    expect(body.isCancelled).toBe(true);
  });

  it('that breaks ends the connection, so that the target does not take it as whole', async () => {
    const { send, raw } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body });
    body.give('first');
    const connection = await raw.connection(0);
    await connection.takeHead();
    body.abort(new GatewayError('GW_REQUEST_TIMEOUT'));
    expect((await sink.outcome).error).toMatchObject({ code: 'GW_REQUEST_TIMEOUT', status: 408 });
    await connection.closed();
    expect(connection.received).not.toContain('0\r\n\r\n');
  });
});

describe('the time for an answer', () => {
  it('is over after the response timeout', async () => {
    const { send, raw, clock } = await start();
    const sink = send({ responseTimeoutMs: 5000 });
    await (await raw.connection(0)).takeHead();
    clock.advance(4900);
    expect(raw.connections[0]?.isClosed).toBe(false);
    clock.advance(400);
    expect((await sink.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT', status: 504 });
    await raw.connections[0]?.closed();
  });

  it('begins when the request has been sent', async () => {
    const { send, raw, clock } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body, responseTimeoutMs: 5000 });
    const connection = await raw.connection(0);
    await connection.takeHead();
    body.give('piece');
    clock.advance(20_000);
    body.end();
    clock.advance(4900);
    await connection.until((received) => received.endsWith('0\r\n\r\n'));
    connection.write(OK);
    expect(await sink.outcome).toMatchObject({ isWhole: true });
  });

  it('begins again when the system has taken a large request, not after the idle limit', async () => {
    const { send, raw, clock } = await start();
    const body = new ManualBody();
    const sink = send({ method: 'POST', body, responseTimeoutMs: 5000 });
    const connection = await raw.connection(0);
    await connection.takeHead();
    expect(body.give('x'.repeat(8_000_000))).toBe(false);
    body.end();
    await connection.until((received) => received.length > 8_000_000);
    await turns(5);
    clock.advance(5300);
    expect((await sink.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT' });
  });

  it('ends with the head: a body may take as long as it flows', async () => {
    const { send, raw, clock } = await start();
    const sink = send({ responseTimeoutMs: 5000 });
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n');
    await sink.headed;
    for (const letter of ['a', 'b', 'c']) {
      clock.advance(59_000);
      connection.write(letter);
      await until(() => sink.received.endsWith(letter));
    }
    expect(await sink.outcome).toMatchObject({ body: 'abc', isWhole: true });
  });

  it('is over for a body that stalls', async () => {
    const { send, raw, clock } = await start();
    const sink = send();
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na');
    await sink.headed;
    await turns(5);
    clock.advance(61_000);
    const outcome = await sink.outcome;
    expect(outcome).toMatchObject({ body: 'a', isWhole: false });
    expect(outcome.error).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT' });
  });

  it('does not run while the client is slow', async () => {
    const { send, raw, clock } = await start();
    const sink = send();
    sink.isSlow = true;
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na');
    await sink.headed;
    await turns(5);
    connection.write('bc');
    await turns(5);
    for (let i = 0; i < 5; i++) clock.advance(61_000);
    sink.onDrain?.();
    expect(await sink.outcome).toMatchObject({ body: 'abc', isWhole: true });
  });
});

describe('100-continue', () => {
  const headers = () => HeaderList.from([['expect', '100-continue']]);

  it('keeps the body back until the target asks for it', async () => {
    const { send, raw } = await start();
    const sink = send({ method: 'POST', headers: headers(), body: bodyFrom('hello') });
    const connection = await raw.connection(0);
    expect(await connection.takeHead()).toMatch(/\r\n\r\n$/);
    connection.write('HTTP/1.1 100 Continue\r\n\r\n');
    await connection.until((received) => received === 'hello');
    connection.write(OK);
    expect(await sink.outcome).toMatchObject({ isWhole: true, interim: [] });
  });

  it('sends the body after a second of silence', async () => {
    const { send, raw, clock } = await start();
    const sink = send({ method: 'POST', headers: headers(), body: bodyFrom('hello') });
    const connection = await raw.connection(0);
    await connection.takeHead();
    clock.advance(1200);
    await connection.until((received) => received === 'hello');
    connection.write(OK);
    expect(await sink.outcome).toMatchObject({ isWhole: true });
  });

  it('never sends a body that the target refuses', async () => {
    const { send, raw } = await start();
    const body = new ManualBody(5);
    const sink = send({ method: 'POST', headers: headers(), body });
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n');
    expect(await sink.outcome).toMatchObject({ status: 417, isWhole: true });
    expect(body.isPiped).toBe(false);
    await connection.closed();
  });
});

describe('an answer cut anywhere', () => {
  const answers = [
    'HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nEmpty:\r\n\r\nhello',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-T: 1\r\n\r\n',
    'HTTP/1.1 204 No Content\r\nA: b\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na',
  ];

  async function summarise(pieces: readonly string[]): Promise<unknown> {
    const raw = await startRaw(inPieces(pieces, 'fin'));
    const { send, target } = poolFor(raw.port);
    const { status, head, body, trailers, interim, isWhole, error } = await send().outcome;
    target.close();
    await raw.close();
    const fields = [...(head?.headers ?? [])];
    // Of a broken body it does not matter how much came through.
    const taken = isWhole ? body : '';
    return {
      status,
      fields,
      body: taken,
      trailers: [...(trailers ?? [])],
      interim,
      isWhole,
      code: error?.code,
    };
  }

  it.each(answers)('is the same answer: %j', async (answer) => {
    const whole = await summarise([answer]);
    for (let at = 1; at < answer.length; at++) {
      expect(await summarise([answer.slice(0, at), answer.slice(at)])).toEqual(whole);
    }
  });

  it('is the same answer in random pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...answers),
        fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 8 }),
        async (answer, sizes) => {
          const pieces: string[] = [];
          let rest = answer;
          for (const size of sizes) {
            pieces.push(rest.slice(0, size));
            rest = rest.slice(size);
          }
          const cut = [...pieces, rest].filter((piece) => piece !== '');
          expect(await summarise(cut)).toEqual(await summarise([answer]));
        },
      ),
      { numRuns: 60 },
    );
  });
});
