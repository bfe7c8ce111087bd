import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { type BodySource, createGateway } from '../../src/index.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';

/** What a policy gets that imports another copy of the package than the gateway that runs. */
const [{ GatewayError, asGatewayError }, { HeaderList }, { definePolicy }, body] = (await Promise.all([
  import('../../src/core/errors.ts?copy' as '../../src/core/errors.ts'),
  import('../../src/core/header-list.ts?copy' as '../../src/core/header-list.ts'),
  import('../../src/core/policy.ts?copy' as '../../src/core/policy.ts'),
  import('../../src/core/body.ts?copy' as '../../src/core/body.ts'),
])) as [
  typeof import('../../src/core/errors.ts'),
  typeof import('../../src/core/header-list.ts'),
  typeof import('../../src/core/policy.ts'),
  typeof import('../../src/core/body.ts'),
];
const ours = await import('../../src/core/errors.ts');

/** Answers a request on a route with one policy, which does this. */
async function answerWith(instance: object) {
  const policy = definePolicy({ name: 'test/copy', options: z.strictObject({}), create: () => instance });
  const logDestination = new MemoryDestination();
  const gateway = await createGateway({
    config: {
      listeners: [{ port: 0 }],
      customPolicies: { 'test/copy': policy },
      routes: [{ id: 'a', path: '/', policies: ['test/copy'], respond: { body: 'as ever' } }],
    },
    logDestination,
  });
  onTestFinished(() => gateway.close());
  return gateway.inject({ url: '/' });
}

describe('a second copy of the package', () => {
  it('is one', () => {
    expect(new GatewayError('GW_FORBIDDEN')).not.toBeInstanceOf(ours.GatewayError);
    expect(asGatewayError).not.toBe(ours.asGatewayError);
  });

  it.each([
    [
      'thrown',
      {
        onRequest: () => {
          throw new GatewayError('GW_FORBIDDEN', { detail: 'because' });
        },
      },
    ],
    ['given', { onRequest: () => new GatewayError('GW_FORBIDDEN', { detail: 'because' }) }],
    ['given in time', { onRequest: async () => new GatewayError('GW_FORBIDDEN', { detail: 'because' }) }],
    ['given for an answer', { onResponse: () => new GatewayError('GW_FORBIDDEN', { detail: 'because' }) }],
  ])('has its failures answered as ours where they are %s', async (_, instance) => {
    const answer = await answerWith(instance);
    expect([answer.status, JSON.parse(answer.body.toString())]).toMatchObject([
      403,
      { code: 'GW_FORBIDDEN', detail: 'because' },
    ]);
  });

  it('has its header lists taken in a reply', async () => {
    const headers = HeaderList.from([
      ['x-a', '1'],
      ['x-a', '2'],
    ]);
    const answer = await answerWith({
      onRequest: () => ({ status: 202, headers, body: body.bodyFrom('copied') }),
    });
    expect([answer.status, answer.headers.getAll('x-a'), answer.body.toString()]).toEqual([
      202,
      ['1', '2'],
      'copied',
    ]);
  });

  it('has its header list taken in the head of an answer', async () => {
    const answer = await answerWith({
      onResponse(_: unknown, head: { headers: unknown }) {
        head.headers = HeaderList.from({ 'x-b': 'copied' });
      },
    });
    expect([answer.status, answer.headers.get('x-b')]).toEqual([200, 'copied']);
  });

  it('has its trailers taken at the end of a body', async () => {
    const source: BodySource = {
      length: undefined,
      pipe(sink) {
        sink.write(Buffer.from('copied'));
        sink.end(HeaderList.from({ 'x-end': 'yes' }));
      },
      resume() {},
      cancel() {},
    };
    const answer = await answerWith({ onRequest: () => ({ status: 202, body: source }) });
    expect(answer.body.toString()).toBe('copied');
  });
});
