import { describe, expect, it } from 'vitest';
import { bodyFromIterable } from '../../src/core/body.ts';
import { rateLimit } from '../../src/policies/index.ts';
import { stubExchange, upstreamHead } from '../core/stub-exchange.ts';
import { exchangeOf, limitPipeline } from './limit-pipeline.ts';

const TOKENS = { limit: 1000, window: '1h', key: 'subject', cost: 'response-json:usage.total_tokens' };

function pieces(text: string, size: number) {
  const bytes = Buffer.from(text);
  return bodyFromIterable(
    (async function* () {
      for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
    })(),
  );
}

/** Units left after an answer. */
async function leftAfter(options: object, head: ReturnType<typeof upstreamHead>, text: string, size = 7) {
  const { ask } = limitPipeline([[rateLimit, options as Record<string, unknown>]]);
  const answer = await ask(exchangeOf({}), head, pieces(text, size));
  expect(answer.text).toBe(text);
  const { headers } = await ask(exchangeOf({}));
  // The request that asks is one more.
  return Number(/;r=(\d+);/.exec(headers.ratelimit ?? '')?.[1]) + 1;
}

const JSON_HEAD = () => upstreamHead([['Content-Type', 'application/json; charset=utf-8']]);
const SSE_HEAD = () => upstreamHead([['Content-Type', 'text/event-stream']]);

describe('the cost in a JSON answer', () => {
  it('is charged when the answer is whole, whatever pieces it comes in', async () => {
    const text = JSON.stringify({ choices: ['"total_tokens": 5', 'é漢'], usage: { total_tokens: 123 } });
    for (const size of [1, 2, 5, 4096])
      expect(await leftAfter(TOKENS, JSON_HEAD(), text, size)).toBe(1000 - 123);
  });

  it.each([
    ['no such member', '{"usage":{}}'],
    ['no number', '{"usage":{"total_tokens":"12"}}'],
    ['a negative one', '{"usage":{"total_tokens":-12}}'],
    ['no JSON', '{"usage":{"total_tokens":12'],
    ['a member elsewhere', '{"total_tokens":12}'],
    ['a document beyond what is read', `{"usage":{"total_tokens":12},"x":"${'y'.repeat(1_100_000)}"}`],
  ])('leaves the one unit of the request where there is %s', async (_, text) => {
    expect(await leftAfter(TOKENS, JSON_HEAD(), text, 65_536)).toBe(999);
  });

  it('is rounded up, and not believed beyond reason', async () => {
    expect(await leftAfter(TOKENS, JSON_HEAD(), '{"usage":{"total_tokens":0.5}}')).toBe(999);
    expect(await leftAfter(TOKENS, JSON_HEAD(), '{"usage":{"total_tokens":0}}')).toBe(1000);
    expect(await leftAfter(TOKENS, JSON_HEAD(), '{"usage":{"total_tokens":1e300}}')).toBe(1);
  });

  it('cannot be read of a compressed answer, which the upstream is not asked for', async () => {
    const { ask } = limitPipeline([[rateLimit, TOKENS]]);
    const exchange = exchangeOf({}, [['Accept-Encoding', 'gzip']]);
    await ask(exchange, JSON_HEAD());
    expect(exchange.headers.has('accept-encoding')).toBe(false);
    const head = upstreamHead([
      ['Content-Type', 'application/json'],
      ['Content-Encoding', 'gzip'],
    ]);
    expect(await leftAfter(TOKENS, head, '{"usage":{"total_tokens":12}}')).toBe(999);
  });
});

describe('the cost in a stream of events', () => {
  const events = [
    'event: delta\ndata: {"choices":[{"delta":"\\"total_tokens\\": 9"}],"usage":null}\n\n',
    'data: {"usage":{"total_tokens":40}}\r\n\r\n',
    ': comment "total_tokens"\n\n',
    'data: {"choices":[],"usage":{"prompt_tokens":7,"total_tokens":77}}\n\n',
    'data: [DONE]\n\n',
  ].join('');

  it('is that of the last event that has it', async () => {
    for (const size of [1, 3, 64, 4096])
      expect(await leftAfter(TOKENS, SSE_HEAD(), events, size)).toBe(1000 - 77);
  });

  it('is read line by line of NDJSON too, and of a last line without an end', async () => {
    const head = upstreamHead([['Content-Type', 'application/x-ndjson']]);
    expect(await leftAfter(TOKENS, head, '{"a":1}\n{"usage":{"total_tokens":15}}')).toBe(985);
  });

  it('does not fill memory with a line that never ends', async () => {
    const text = `data: ${'x'.repeat(3_000_000)}\n\ndata: {"usage":{"total_tokens":11}}\n\n`;
    expect(await leftAfter(TOKENS, SSE_HEAD(), text, 65_536)).toBe(989);
  });

  it('counts as far as it was read when the client leaves', async () => {
    const { pipeline, ask } = limitPipeline([[rateLimit, TOKENS]]);
    const exchange = exchangeOf({});
    pipeline.runRequest(exchange);
    let go: () => void = () => {};
    const endless = bodyFromIterable(
      (async function* () {
        yield Buffer.from('data: {"usage":{"total_tokens":30}}\n\n');
        await new Promise<void>((resolve) => (go = resolve));
      })(),
    );
    const answer = await pipeline.runReply(exchange, {
      status: 200,
      headers: SSE_HEAD().headers,
      body: endless,
    });
    await new Promise<void>((resolve) => {
      answer.body.pipe({
        write: () => {
          resolve();
          return true;
        },
        end() {},
        abort() {},
      });
    });
    pipeline.runFinish(exchange);
    go();
    expect((await ask(exchangeOf({}))).headers.ratelimit).toMatch(/;r=969;/);
  });
});

describe('the cost in a header of the answer', () => {
  const options = { ...TOKENS, cost: 'response-header:x-tokens' };

  it.each([
    ['250', 750],
    ['0', 1000],
    ['1.5', 999],
    ['-4', 999],
    ['many', 999],
  ])('%s leaves %i', async (value, left) => {
    expect(await leftAfter(options, upstreamHead([['X-Tokens', value]]), 'x')).toBe(left);
  });

  it('may exceed what is left, and holds back what comes after it', async () => {
    const { ask } = limitPipeline([[rateLimit, options]]);
    await ask(exchangeOf({}), upstreamHead([['X-Tokens', '2000']]));
    const { status, headers } = await ask(exchangeOf({}));
    expect(status).toBe(429);
    // 1,001 units too many, at 1,000 an hour.
    expect(headers['retry-after']).toBe(String(Math.ceil(3.6 * 1001)));
  });

  it('is not charged to a request that was refused', async () => {
    const { ask } = limitPipeline([
      [rateLimit, options],
      [rateLimit, { limit: 1, window: '1h', id: 'narrow' }],
    ]);
    await ask(exchangeOf({}));
    await ask(exchangeOf({}), upstreamHead([['X-Tokens', '500']]));
    expect((await ask(exchangeOf({}))).headers.ratelimit).toMatch(/^"orders\/rate-limit";r=999;/);
  });
});

it('is one unit where the limit only observes, and the upstream may compress its answer', async () => {
  const options = { ...TOKENS, limit: 2, id: 'trial', observe: true };
  const { ask, counts } = limitPipeline([[rateLimit, options]]);
  const text = '{"usage":{"total_tokens":500}}';
  for (let i = 0; i < 3; i++) {
    const exchange = exchangeOf({}, [['Accept-Encoding', 'gzip']]);
    expect(await ask(exchange, JSON_HEAD(), pieces(text, 7))).toMatchObject({ status: 200, text });
    expect(exchange.headers.get('accept-encoding')).toBe('gzip');
  }
  expect(counts.get('gateway_policy_decisions_total orders trial observe allow')).toBe(2);
  expect(counts.get('gateway_policy_decisions_total orders trial observe refuse')).toBe(1);
});

it('looks at no body where the cost is known beforehand', async () => {
  const { pipeline } = limitPipeline([[rateLimit, { limit: 5, window: '1m' }]]);
  const exchange = stubExchange();
  pipeline.runRequest(exchange);
  expect(pipeline.runResponse(exchange, JSON_HEAD(), { openBody: () => pieces('', 1) })).toBeUndefined();
});
