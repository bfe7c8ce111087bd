import { expect, onTestFinished, test } from 'vitest';
import { createJsonJudge } from '../../../src/policies/validate/json-judge.ts';
import { JudgeThread } from '../../../src/policies/validate/judge-thread.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { startValidating } from './echo.ts';

/** Each level of a value doubles the time that it takes. */
const doubling = {
  anyOf: [
    { properties: { a: { $ref: '#' }, x: false }, type: 'object' },
    { properties: { a: { $ref: '#' }, y: false }, type: 'object' },
    { const: 1 },
  ],
};

const setUp = () =>
  startValidating({
    '/large': { body: { items: { properties: { id: { type: 'integer' } } } }, maxBody: '4MiB' },
    '/strip': {
      body: { items: { properties: { id: { type: 'integer' } } } },
      maxBody: '4MiB',
      unknown: 'strip',
    },
  });

const list = (length: number, item: object) => JSON.stringify(Array.from({ length }, () => item));

test('large bodies are judged as small ones are', async () => {
  const it = await setUp();
  const good = list(20_000, { id: 12345, name: 'some text' });
  expect((await it.send('POST', '/large', good)).json.body).toBe(good);
  const { status, errors } = await it.send('POST', '/large', list(20_000, { id: 'x' }));
  expect([status, errors?.[0]]).toEqual([
    422,
    { in: 'body', pointer: '/0/id', keyword: 'type', message: 'is not an integer' },
  ]);
  expect((await it.send('POST', '/large', `${good} x`)).json.code).toBe('GW_BODY_UNREADABLE');
  expect((await it.send('POST', '/strip', good)).json.body).toBe(list(20_000, { id: 12345 }));
});

test('what doubles its time with each level is given up, and what comes after it is judged', async () => {
  const clock = new StubClock();
  const thread = new JudgeThread(clock);
  onTestFinished(() => thread.close());
  const spec = { schema: doubling, unknown: undefined, coerce: false, maxDepth: 64 };
  const deep = (levels: number) => Buffer.from(`${'{"a":'.repeat(levels)}2${'}'.repeat(levels)}`);
  const slow = thread.judge(spec, deep(60));
  const next = thread.judge(spec, deep(2));
  clock.advance(2000);
  expect(await slow).toEqual({ fault: 'too-complex' });
  expect(await next).toMatchObject({
    errors: expect.arrayContaining([expect.objectContaining({ in: 'body' })]),
  });
});

test('more than can wait is answered 503', async () => {
  const thread = new JudgeThread(new StubClock());
  onTestFinished(() => thread.close());
  const spec = { schema: true, unknown: undefined, coerce: false, maxDepth: 64 };
  const judged = await Promise.allSettled(
    Array.from({ length: 70 }, () => thread.judge(spec, Buffer.from('1'))),
  );
  const failed = judged.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  expect(failed).toHaveLength(5);
  expect(failed[0]?.reason).toMatchObject({ code: 'GW_OVERLOADED' });
});

test('a schema that could double its time is judged beside, whatever the size of a body', () => {
  const judged: Buffer[] = [];
  const beside = {
    judge: (_: unknown, bytes: Buffer) => Promise.resolve({ errors: [] as [], bytes: judged.push(bytes) }),
  };
  const judgeOf = (schema: object) =>
    createJsonJudge(
      { schema: schema as never, unknown: undefined, coerce: false, maxDepth: 64 },
      beside as unknown as JudgeThread,
    );
  judgeOf(doubling).judge(Buffer.from('1'));
  judgeOf({}).judge(Buffer.from('1'));
  expect(judged).toHaveLength(1);
});
