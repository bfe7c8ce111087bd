import { expect, test, vi } from 'vitest';
import { type BodySource, bodyFrom, readBody } from '../../src/core/body.ts';
import { guardBody } from '../../src/core/pipeline/guard-body.ts';

test('passes a body on as it is, with its length', async () => {
  const guarded = guardBody(bodyFrom('hello'), () => undefined);
  expect(guarded.length).toBe(5);
  expect((await readBody(guarded, 10)).toString()).toBe('hello');
});

test('breaks the body at the chunk that it refuses, and cancels the source', () => {
  const cancel = vi.fn();
  const sink = { write: vi.fn((_: Uint8Array) => true), end: vi.fn(), abort: vi.fn() };
  const tooMuch = new Error('too much');
  const source: BodySource = {
    length: undefined,
    pipe(to) {
      to.write(Buffer.from('ok'));
      to.write(Buffer.from('refused'));
      to.write(Buffer.from('late'));
      to.end();
    },
    resume() {},
    cancel,
  };
  guardBody(source, (bytes) => (bytes > 2 ? tooMuch : undefined)).pipe(sink);
  expect(sink.write).toHaveBeenCalledOnce();
  expect(sink.abort.mock.calls).toEqual([[tooMuch]]);
  expect(sink.end).not.toHaveBeenCalled();
  expect(cancel).toHaveBeenCalledOnce();
});
