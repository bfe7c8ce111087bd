import { describe, expect, it } from 'vitest';
import type { BodySink } from '../../src/core/body.ts';
import { BufferedBody } from '../../src/core/buffered-body.ts';

/** Writes down what it gets, and goes on as long as `goesOn`. */
function startSink() {
  const seen: string[] = [];
  const sink: BodySink & { goesOn: boolean } = {
    goesOn: true,
    write(chunk) {
      seen.push(Buffer.from(chunk).toString());
      return sink.goesOn;
    },
    end: (trailers) => void seen.push(trailers === undefined ? 'end' : 'end with trailers'),
    abort: (error) => void seen.push(`abort: ${error.message}`),
  };
  return { sink, seen };
}

const held = (allowedBytes = 0) => {
  const told: string[] = [];
  const body = new BufferedBody(undefined, () => told.push('cancel'), allowedBytes);
  body.onDrain = () => told.push('drain');
  return { body, told };
};

describe('a held body', () => {
  it('copies what comes before its sink, which is lent, and asks the giver to wait', () => {
    const { body, told } = held();
    const { sink, seen } = startSink();
    const chunk = Buffer.from('one');
    expect(body.write(chunk)).toBe(false);
    chunk.fill('x');
    body.pipe(sink);
    expect([seen, told]).toEqual([['one'], ['drain']]);
    expect(body.write(Buffer.from('two'))).toBe(true);
    body.end();
    expect(seen).toEqual(['one', 'two', 'end']);
  });

  it('takes as much as is allowed before it asks to wait', () => {
    const { body } = held(6);
    expect([body.write(Buffer.from('one')), body.write(Buffer.from('two'))]).toEqual([true, false]);
  });

  it('gives its sink no more than it takes', () => {
    const { body, told } = held(100);
    const { sink, seen } = startSink();
    for (const text of ['one', 'two']) body.write(Buffer.from(text));
    sink.goesOn = false;
    body.pipe(sink);
    expect(body.write(Buffer.from('three'))).toBe(true);
    body.end();
    expect([seen, told]).toEqual([['one'], []]);
    for (let i = 0; i < 3; i++) body.resume();
    expect(seen).toEqual(['one', 'two', 'three', 'end']);
  });

  it('keeps what comes while its sink pauses', () => {
    const { body } = held(100);
    const { sink, seen } = startSink();
    body.pipe(sink);
    sink.goesOn = false;
    expect(body.write(Buffer.from('one'))).toBe(false);
    body.write(Buffer.from('two'));
    expect(seen).toEqual(['one']);
    sink.goesOn = true;
    body.resume();
    expect(seen).toEqual(['one', 'two']);
  });

  it('passes a break on behind what came before it', () => {
    const { body } = held();
    const { sink, seen } = startSink();
    body.write(Buffer.from('half'));
    body.abort(new Error('broken'));
    body.end();
    body.pipe(sink);
    expect(seen).toEqual(['half', 'abort: broken']);
  });

  it('tells once when nobody takes the rest, and gives nothing more', () => {
    const { body, told } = held();
    const { sink, seen } = startSink();
    body.pipe(sink);
    body.cancel();
    body.cancel();
    expect(body.write(Buffer.from('late'))).toBe(true);
    body.end();
    expect([seen, told]).toEqual([[], ['drain', 'cancel']]);
  });

  it('stops in the middle of what it gives when its sink cancels', () => {
    const { body } = held(100);
    const seen: string[] = [];
    for (const text of ['one', 'two']) body.write(Buffer.from(text));
    body.pipe({
      write(chunk) {
        seen.push(Buffer.from(chunk).toString());
        body.cancel();
        return true;
      },
      end: () => seen.push('end'),
      abort: () => seen.push('abort'),
    });
    expect(seen).toEqual(['one']);
  });

  it('says when nothing is kept any more and the two may go on without it', () => {
    const { body, told } = held();
    const { sink } = startSink();
    body.write(Buffer.from('one'));
    body.onEmpty = () => told.push('empty');
    body.pipe(sink);
    body.resume();
    expect(told).toEqual(['empty', 'drain', 'drain']);
  });
});
