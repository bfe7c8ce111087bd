import { describe, expect, test, vi } from 'vitest';
import { type BodySource, bodyFrom, bodyFromIterable, readBody } from '../../src/core/body.ts';
import { BufferBudget } from '../../src/core/buffer-budget.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { bufferBodyOnDemand } from '../../src/core/pipeline/buffer-request-body.ts';
import { closePolicies } from '../../src/core/pipeline/pipeline.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { until } from '../support/until.ts';
import { entry, runThrough, stubExchange, stubPipeline, upstreamHead } from './stub-exchange.ts';

const text = async (body: BodySource) => (await readBody(body, 1024)).toString();

/** A policy that writes down when it runs. */
function recorder(name: string, trail: string[], more: PolicyInstance = {}): PolicyInstance {
  return {
    onRequest(exchange) {
      trail.push(`${name} request`);
      return more.onRequest?.(exchange);
    },
    onResponse(exchange, head) {
      trail.push(`${name} response ${head.status}`);
      return more.onResponse?.(exchange, head);
    },
    onFinish() {
      trail.push(`${name} finish`);
    },
  };
}

const uppercase = (source: BodySource): BodySource => ({
  length: source.length,
  pipe: (sink) =>
    source.pipe({
      write: (chunk) => sink.write(Buffer.from(Buffer.from(chunk).toString().toUpperCase())),
      end: (trailers) => sink.end(trailers),
      abort: (error) => sink.abort(error),
    }),
  resume: () => source.resume(),
  cancel: (error) => source.cancel(error),
});

const wrap = (left: string, right: string) => (source: BodySource) =>
  bodyFromIterable(
    (async function* () {
      yield Buffer.from(left);
      yield await readBody(source, 1024);
      yield Buffer.from(right);
    })(),
  );

describe('a policy that hangs', () => {
  const forever = new Promise<undefined>(() => {});
  const hanging = { onRequest: () => forever, onResponse: () => forever };

  test('has failed after its time, when asked about a request', async () => {
    const { pipeline, lines } = stubPipeline([entry(hanging, { name: 'acme/slow', maxWaitMs: 10 })]);
    expect(await pipeline.runRequest(stubExchange())).toMatchObject({ code: 'GW_POLICY_FAILED' });
    expect(lines).toMatchObject([{ level: 'error', message: 'policy failed' }]);
  });

  test('has failed after its time, when asked about an answer', async () => {
    const { onResponse } = hanging;
    const { pipeline } = stubPipeline([entry({ onResponse }, { maxWaitMs: 10 })]);
    const exchange = stubExchange();
    expect(pipeline.runRequest(exchange)).toBeUndefined();
    const head = upstreamHead();
    await pipeline.runResponse(exchange, head, { openBody: () => bodyFrom('secret') });
    expect(head.status).toBe(500);
  });

  test('is not in the way of one that only takes a while', async () => {
    const slow = { onRequest: () => Promise.resolve({ status: 204 }) };
    const { pipeline } = stubPipeline([entry(slow, { maxWaitMs: 60_000 })]);
    expect(await pipeline.runRequest(stubExchange())).toMatchObject({ status: 204 });
  });

  test('has half a minute if it does not say otherwise', () => {
    expect(entry({}).policy.maxWaitMs).toBe(30_000);
  });
});

describe('the order of a pipeline', () => {
  test('requests run as listed, responses in reverse, finishes once each', () => {
    const trail: string[] = [];
    const { pipeline } = stubPipeline([entry(recorder('a', trail)), entry(recorder('b', trail))]);
    const exchange = stubExchange();
    expect(pipeline.runRequest(exchange)).toBeUndefined();
    expect(pipeline.runResponse(exchange, upstreamHead(), { openBody: never })).toBeUndefined();
    pipeline.runFinish(exchange);
    pipeline.runFinish(exchange);
    expect(trail).toEqual([
      ...['a request', 'b request'],
      ...['b response 200', 'a response 200'],
      ...['a finish', 'b finish'],
    ]);
  });

  test('a reply ends the chain and passes those that have begun, its own policy among them', async () => {
    const trail: string[] = [];
    const { pipeline } = stubPipeline([
      entry(recorder('a', trail)),
      entry(recorder('b', trail, { onRequest: () => ({ status: 429, body: 'slow down' }) })),
      entry(recorder('c', trail)),
    ]);
    const exchange = stubExchange();
    const { head, body } = await runThrough(pipeline, exchange);
    pipeline.runFinish(exchange);
    expect(head).toMatchObject({ status: 429, length: 9 });
    expect(await text(body)).toBe('slow down');
    expect(trail).toEqual([
      ...['a request', 'b request'],
      ...['b response 429', 'a response 429'],
      ...['a finish', 'b finish'],
    ]);
  });

  test('every policy of position first sees the answer with which another first one ended the chain', async () => {
    const trail: string[] = [];
    const replies: PolicyInstance = { onRequest: () => ({ status: 204 }) };
    const { pipeline } = stubPipeline([
      entry(recorder('late', trail)),
      entry(recorder('a', trail, replies), { position: 'first' }),
      entry(recorder('b', trail), { position: 'first' }),
    ]);
    const exchange = stubExchange();
    await runThrough(pipeline, exchange);
    pipeline.runFinish(exchange);
    expect(trail).toEqual(['a request', 'b response 204', 'a response 204', 'a finish', 'b finish']);
  });

  test('an answer from before the request moment passes the policies of position first', async () => {
    const trail: string[] = [];
    const { pipeline } = stubPipeline([
      entry(recorder('a', trail), { position: 'first' }),
      entry(recorder('late', trail)),
    ]);
    const exchange = stubExchange();
    await pipeline.runReply(exchange, new GatewayError('GW_BAD_PATH'));
    pipeline.runFinish(exchange);
    expect(trail).toEqual(['a response 400', 'a finish']);
    expect(exchange.failure?.code).toBe('GW_BAD_PATH');
  });

  test('waits for what is asynchronous, in the same order', async () => {
    const trail: string[] = [];
    const pause = async () => {
      await Promise.resolve();
      trail.push('waited');
    };
    const { pipeline } = stubPipeline([
      entry(recorder('a', trail, { onRequest: pause, onResponse: pause })),
      entry(recorder('b', trail)),
    ]);
    await runThrough(pipeline, stubExchange());
    expect(trail).toEqual([
      ...['a request', 'waited', 'b request'],
      ...['b response 200', 'a response 200', 'waited'],
    ]);
  });

  test('makes no promise where every policy is synchronous', () => {
    const { pipeline } = stubPipeline([entry({ onRequest() {}, onResponse() {} }), entry({})]);
    const exchange = stubExchange();
    expect(pipeline.runRequest(exchange)).toBeUndefined();
    expect(pipeline.runResponse(exchange, upstreamHead(), { openBody: never })).toBeUndefined();
  });

  test('goes no further when the exchange is finished while a policy waits', async () => {
    const trail: string[] = [];
    const gate = Promise.withResolvers<undefined>();
    const { pipeline } = stubPipeline([
      entry(recorder('a', trail, { onRequest: () => gate.promise })),
      entry(recorder('b', trail)),
    ]);
    const exchange = stubExchange();
    const result = pipeline.runRequest(exchange);
    pipeline.runFinish(exchange);
    gate.resolve(undefined);
    expect(await result).toMatchObject({ code: 'GW_CLIENT_CLOSED' });
    expect(trail).toEqual(['a request', 'a finish']);
  });
});

describe('a policy that goes wrong denies', () => {
  const boom = new Error('database password is hunter2');
  const bad: Record<string, PolicyInstance['onRequest']> = {
    throws: () => {
      throw boom;
    },
    rejects: () => Promise.reject(boom),
    'throws nothing at all': () => {
      throw undefined;
    },
    'returns null': () => null as never,
    'returns true': () => true as never,
    'returns an object that is not a reply': () => ({ allowed: true }) as never,
    'returns a plain error': () => boom as never,
    'returns an interim status': () => ({ status: 101 }),
    'returns a status that is text': () => ({ status: '200' }) as never,
    'resolves to rubbish': async () => 1 as never,
    'has a header that HTTP forbids': () => ({ status: 200, headers: { a: 'b\r\nc: d' } }),
    'has an object for a body': () => ({ status: 200, body: { ok: true } }) as never,
  };

  test.each(Object.entries(bad))('in the request: %s', async (_, onRequest) => {
    const next = vi.fn();
    const { pipeline } = stubPipeline([entry({ onRequest: onRequest as never }), entry({ onRequest: next })]);
    const exchange = stubExchange();
    const { head, body } = await runThrough(pipeline, exchange);
    const problem = await text(body);
    expect(head.status).toBe(500);
    expect(JSON.parse(problem)).toMatchObject({ code: 'GW_POLICY_FAILED', requestId: 'request-1' });
    expect(problem).not.toContain('hunter2');
    expect(exchange.failure?.code).toBe('GW_POLICY_FAILED');
    expect(next).not.toHaveBeenCalled();
  });

  test.each(Object.entries(bad))('in the response: %s', async (_, onResponse) => {
    const { pipeline } = stubPipeline([entry({ onResponse: onResponse as never })]);
    const cancel = vi.fn();
    const secret = { ...bodyFrom('upstream secret'), cancel };
    const upstream = { head: upstreamHead([['x-upstream', 'yes']]), body: secret };
    const { head, body } = await runThrough(pipeline, stubExchange(), upstream);
    expect(head.status).toBe(500);
    expect(head.headers.has('x-upstream')).toBe(false);
    expect(await text(body)).toContain('GW_POLICY_FAILED');
    expect(cancel).toHaveBeenCalledOnce();
  });

  test('a policy that never decides lets nothing pass', async () => {
    const next = vi.fn();
    const { pipeline } = stubPipeline([
      entry({ onRequest: () => new Promise<undefined>(() => {}) }),
      entry({ onRequest: next }),
    ]);
    const result = await Promise.race([pipeline.runRequest(stubExchange()), immediate('undecided')]);
    expect(result).toBe('undecided');
    expect(next).not.toHaveBeenCalled();
  });

  test('its cause goes to the log and its verdict to the counter', async () => {
    const { pipeline, lines, counts } = stubPipeline([entry({ onRequest: bad.throws as never })]);
    await pipeline.runRequest(stubExchange());
    expect(lines).toEqual([
      {
        level: 'error',
        message: 'policy failed',
        fields: { policy: 'stub', route: 'orders', requestId: 'request-1', err: boom },
      },
    ]);
    expect([...counts]).toEqual([['gateway_policy_decisions_total orders stub enforce error', 1]]);
  });

  test('a failure of the catalogue stays what it is, thrown or returned', async () => {
    const denied = new GatewayError('GW_IP_DENIED');
    const throwing = () => {
      throw denied;
    };
    for (const onRequest of [throwing, () => denied, () => Promise.reject(denied)]) {
      const { pipeline, counts } = stubPipeline([entry({ onRequest })]);
      expect(await pipeline.runRequest(stubExchange())).toBe(denied);
      expect([...counts.keys()]).toEqual(['gateway_policy_decisions_total orders stub enforce refuse']);
    }
  });

  test('a mapBody that throws denies', async () => {
    const mapBody = () => {
      throw boom;
    };
    const { pipeline } = stubPipeline([entry({ onResponse: () => ({ mapBody }) })]);
    const upstream = { head: upstreamHead(), body: bodyFrom('secret') };
    const { head, body } = await runThrough(pipeline, stubExchange(), upstream);
    expect(head.status).toBe(500);
    expect(await text(body)).not.toContain('secret');
  });

  test('an onFinish that throws is logged and keeps no other from running', () => {
    const finish = vi.fn();
    const throwing = () => {
      throw boom;
    };
    const { pipeline, lines } = stubPipeline([entry({ onFinish: throwing }), entry({ onFinish: finish })]);
    const exchange = stubExchange();
    pipeline.runRequest(exchange);
    pipeline.runFinish(exchange);
    expect(finish).toHaveBeenCalledOnce();
    expect(lines.map(({ message }) => message)).toEqual(['policy failed to finish']);
  });
});

describe('observe', () => {
  const rejections: Record<string, PolicyInstance> = {
    'a reply': { onRequest: () => ({ status: 429 }) },
    'a failure': { onRequest: () => new GatewayError('GW_IP_DENIED') },
    'an asynchronous reply': { onRequest: async () => ({ status: 429 }) },
    'a reply to the response': { onResponse: () => ({ status: 429 }) },
  };

  test.each(Object.entries(rejections))('logs and counts %s, and lets it pass', async (_, instance) => {
    const { pipeline, lines, counts } = stubPipeline([entry(instance, { observe: true })]);
    const exchange = stubExchange();
    const upstream = { head: upstreamHead(), body: bodyFrom('orders') };
    const { head, body } = await runThrough(pipeline, exchange, upstream);
    expect(head.status).toBe(200);
    expect(await text(body)).toBe('orders');
    expect(exchange.failure).toBeUndefined();
    expect(lines[0]).toMatchObject({ level: 'info', message: 'policy would have rejected' });
    expect(counts.get('gateway_policy_decisions_total orders stub observe refuse')).toBe(1);
  });

  test('a throw is an error in log and counter, and passes', async () => {
    const onRequest = () => Promise.reject(new Error('broken'));
    const { pipeline, lines, counts } = stubPipeline([entry({ onRequest }, { observe: true })]);
    expect(await pipeline.runRequest(stubExchange())).toBeUndefined();
    expect(lines[0]).toMatchObject({ level: 'error', message: 'policy failed' });
    expect(counts.get('gateway_policy_decisions_total orders stub observe error')).toBe(1);
  });

  test('what it put around the bodies is taken off again', async () => {
    const { pipeline } = stubPipeline([
      entry(
        {
          onRequest(exchange) {
            exchange.body = bodyFrom('changed');
          },
          onResponse: () => ({ mapBody: uppercase }),
        },
        { observe: true },
      ),
    ]);
    const exchange = stubExchange({ body: bodyFrom('original') });
    const upstream = { head: upstreamHead(), body: bodyFrom('answer') };
    const { body } = await runThrough(pipeline, exchange, upstream);
    expect(await text(exchange.body)).toBe('original');
    expect(await text(body)).toBe('answer');
  });
});

describe('counting', () => {
  test('allows of refusing policies are counted, others make no series', () => {
    const { pipeline, counts } = stubPipeline([
      entry({ onRequest() {} }, { name: 'filter' }),
      entry({ onRequest() {} }, { name: 'paint', refuses: false }),
    ]);
    pipeline.runRequest(stubExchange());
    pipeline.runRequest(stubExchange());
    expect([...counts]).toEqual([['gateway_policy_decisions_total orders filter enforce allow', 2]]);
  });
});

describe('the response', () => {
  test('mappings of the body compose from the inside out, and the head takes the new length', async () => {
    const { pipeline } = stubPipeline([
      entry({ onResponse: () => ({ mapBody: wrap('<', '>') }) }),
      entry({ onResponse: () => ({ mapBody: uppercase }) }),
    ]);
    const head = { ...upstreamHead(), length: 5 };
    const { body } = await runThrough(pipeline, stubExchange(), { head, body: bodyFrom('hello') });
    expect(await text(body)).toBe('<HELLO>');
    expect(head.length).toBeUndefined();
  });

  test('an answer instead takes the place of head and body, and those further out see it', async () => {
    const seen: number[] = [];
    const cancel = vi.fn();
    const { pipeline } = stubPipeline([
      entry({
        onResponse(_, head) {
          seen.push(head.status);
          head.headers.set('x-outer', 'yes');
          return { mapBody: uppercase };
        },
      }),
      entry({ onResponse: () => ({ status: 403, body: 'leak stopped' }) }),
    ]);
    const upstream = { head: upstreamHead([['x-upstream', '1']]), body: { ...bodyFrom('secret'), cancel } };
    const { head, body } = await runThrough(pipeline, stubExchange(), upstream);
    expect(seen).toEqual([403]);
    expect(head.headers.toLines()).toBe('x-outer: yes\r\n');
    expect(head).toMatchObject({ status: 403, length: 12 });
    expect(await text(body)).toBe('LEAK STOPPED');
    expect(cancel).toHaveBeenCalledOnce();
  });

  test.each([
    { method: 'HEAD', status: 200 },
    { method: 'GET', status: 304 },
  ])('no body is mapped where there is none: $method $status', ({ method, status }) => {
    const mapBody = vi.fn();
    const { pipeline } = stubPipeline([entry({ onResponse: () => ({ mapBody }) })]);
    const exchange = stubExchange({ method });
    pipeline.runRequest(exchange);
    const head = { ...upstreamHead([], status), length: 5 };
    expect(pipeline.runResponse(exchange, head, { openBody: never })).toBeUndefined();
    expect(mapBody).not.toHaveBeenCalled();
    expect(head.length).toBeUndefined();
  });

  test('a reply cannot set its own framing', async () => {
    const headers = {
      'Content-Length': '1',
      'transfer-encoding': 'chunked',
      connection: 'close',
      etag: '"a"',
    };
    const { pipeline } = stubPipeline([entry({ onRequest: () => ({ status: 200, headers, body: 'four' }) })]);
    const { head } = await runThrough(pipeline, stubExchange());
    expect(head.headers.toLines()).toBe('etag: "a"\r\n');
    expect(head.length).toBe(4);
  });
});

describe('a policy that needs the request body', () => {
  const reads = (maxBytes: number, seen: (string | undefined)[] = []): PolicyInstance => ({
    requestBody: { maxBytes },
    onRequest: (exchange) => void seen.push(exchange.bodyBytes?.toString()),
  });
  const streamed = (...chunks: string[]) =>
    bodyFromIterable(
      (async function* () {
        for (const chunk of chunks) yield Buffer.from(chunk);
      })(),
    );

  test('sees all of it, with every other such policy, and exactly these bytes are forwarded', async () => {
    const seen: (string | undefined)[] = [];
    const before = vi.fn((exchange) => void expect(exchange.bodyBytes).toBeUndefined());
    const { pipeline, budget } = stubPipeline([
      entry({ onRequest: before }),
      entry(reads(64, seen)),
      entry(reads(64, seen)),
    ]);
    const exchange = stubExchange({ method: 'POST', body: streamed('one ', 'body') });
    expect(await pipeline.runRequest(exchange)).toBeUndefined();
    expect(before).toHaveBeenCalledOnce();
    expect(seen).toEqual(['one body', 'one body']);
    expect(await text(exchange.body)).toBe('one body');
    expect(exchange.body.length).toBe(8);
    expect(budget.used).toBe(8);
    pipeline.runFinish(exchange);
    expect(budget.used).toBe(0);
  });

  test('does not see more than it takes of a body that a policy before it has read on its own', async () => {
    const budget = new BufferBudget();
    const seen: (string | undefined)[] = [];
    const onDemand = (maxBytes: number): PolicyInstance => ({
      onRequest: async (exchange) => bufferBodyOnDemand(exchange, maxBytes, budget),
    });
    const ask = async (body: string) => {
      const { pipeline } = stubPipeline([entry(onDemand(64)), entry(reads(8, seen))], budget);
      const exchange = stubExchange({ method: 'POST', body: streamed(body) });
      const result = await pipeline.runRequest(exchange);
      expect(budget.used).toBe(body.length);
      pipeline.runFinish(exchange);
      expect(budget.used).toBe(0);
      return result;
    };
    expect(await ask('12345678')).toBeUndefined();
    expect(await ask('123456789')).toMatchObject({ code: 'GW_BODY_TOO_LARGE' });
    expect(seen).toEqual(['12345678']);
  });

  test('frees what was read on its own for a client that has left meanwhile', async () => {
    const budget = new BufferBudget();
    const exchange = stubExchange({ method: 'POST', body: streamed('left') });
    const reading = bufferBodyOnDemand(exchange, 64, budget);
    exchange.policiesRun = -1;
    await reading;
    expect(budget.used).toBe(0);
  });

  test('makes no promise for a request without a body', () => {
    const seen: (string | undefined)[] = [];
    const { pipeline } = stubPipeline([entry(reads(64, seen))]);
    expect(pipeline.runRequest(stubExchange())).toBeUndefined();
    expect(seen).toEqual(['']);
  });

  test.each([
    ['of known length', () => bodyFrom('123456789')],
    ['that streams', () => streamed('12345', '6789')],
  ])('never sees one %s above the smallest limit, which answers 413', async (_, body) => {
    const seen: (string | undefined)[] = [];
    const { pipeline, budget } = stubPipeline([entry(reads(64, seen)), entry(reads(8, seen))]);
    const exchange = stubExchange({ method: 'POST', body: body() });
    expect(await pipeline.runRequest(exchange)).toMatchObject({ code: 'GW_BODY_TOO_LARGE' });
    expect(exchange.failure?.status).toBe(413);
    expect(seen).toEqual([]);
    expect(budget.used).toBe(0);
  });

  test('answers 503 while the buffers of all requests are full, and takes bodies again afterwards', async () => {
    const { pipeline, budget } = stubPipeline([entry(reads(64))], new BufferBudget(10));
    const post = (body: string) => stubExchange({ method: 'POST', body: bodyFrom(body) });
    const first = post('12345678');
    expect(await pipeline.runRequest(first)).toBeUndefined();
    expect(await pipeline.runRequest(post('abc'))).toMatchObject({ code: 'GW_BUFFERS_FULL' });
    expect(budget.used).toBe(8);
    pipeline.runFinish(first);
    expect(await pipeline.runRequest(post('abc'))).toBeUndefined();
  });

  test('holds nothing when the client leaves while the body is read', async () => {
    const gate = Promise.withResolvers<void>();
    const seen: (string | undefined)[] = [];
    const body = bodyFromIterable(
      (async function* () {
        yield Buffer.from('first half');
        await gate.promise;
        yield Buffer.from('second half');
      })(),
    );
    const { pipeline, budget } = stubPipeline([entry(reads(64, seen))]);
    const exchange = stubExchange({ method: 'POST', body });
    const result = pipeline.runRequest(exchange);
    await until(() => budget.used > 0);
    pipeline.runFinish(exchange);
    gate.resolve();
    expect(await result).toMatchObject({ code: 'GW_CLIENT_CLOSED' });
    expect(budget.used).toBe(0);
    expect(seen).toEqual([]);
  });

  test('passes on why the body broke', async () => {
    const broken: BodySource = {
      ...bodyFrom('x'),
      length: undefined,
      pipe: (sink) => sink.abort(new GatewayError('GW_REQUEST_TIMEOUT')),
    };
    const { pipeline } = stubPipeline([entry(reads(64))]);
    const result = await pipeline.runRequest(stubExchange({ method: 'POST', body: broken }));
    expect(result).toMatchObject({ code: 'GW_REQUEST_TIMEOUT' });
  });
});

describe('the rest behind a policy', () => {
  const noting = (name: string, seen: string[]) => entry({ onRequest: () => void seen.push(name) });

  test('are the policies that follow it, and is made once', async () => {
    const seen: string[] = [];
    const { pipeline } = stubPipeline(['a', 'b', 'c'].map((name) => noting(name, seen)));
    await pipeline.after(1).runRequest(stubExchange());
    expect(seen).toEqual(['b', 'c']);
    expect(pipeline.after(1)).toBe(pipeline.after(1));
    expect(await pipeline.after(3).runRequest(stubExchange())).toBeUndefined();
  });

  test('is refused to a first policy, whose fellows have begun with it', () => {
    const first = entry({ onRequest: never }, { position: 'first' });
    const { pipeline } = stubPipeline([first, noting('b', [])]);
    expect(() => pipeline.after(1)).toThrow(TypeError);
  });

  test('takes its own share of the budget for a body, and gives it back', async () => {
    const budget = new BufferBudget(8);
    const { pipeline } = stubPipeline([entry({}), entry({ onFinish() {} })], budget);
    const branches = [stubExchange(), stubExchange()];
    for (const branch of branches) branch.bodyBytes = Buffer.alloc(5);
    const rest = pipeline.after(1);
    expect(branches.map((branch) => rest.holdBody(branch)?.code)).toEqual([undefined, 'GW_BUFFERS_FULL']);
    for (const branch of branches) rest.runFinish(branch);
    expect(budget.used).toBe(0);
  });
});

test('closing closes every instance once, whatever the others do', async () => {
  const close = vi.fn();
  const shared = { close };
  const failing = { close: () => Promise.reject(new Error('stuck')) };
  await expect(closePolicies([failing, shared, shared])).rejects.toThrow('policies failed to close');
  expect(close).toHaveBeenCalledOnce();
});

const never = (): never => expect.unreachable();
const immediate = <T>(value: T) => new Promise<T>((resolve) => setImmediate(() => resolve(value)));
