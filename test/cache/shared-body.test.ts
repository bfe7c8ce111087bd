import { describe, expect, it } from 'vitest';
import { SharedBody } from '../../src/cache/shared-body.ts';
import type { BodySink, BodySource } from '../../src/core/body.ts';
import { fc } from '../support/fast-check.ts';

const LIMIT = 200_000;
const ROOM = 400_000;

/** A source that gives what a test says, and obeys what it is told. */
class ScriptedSource implements BodySource {
  sink: BodySink | undefined;
  isPaused = false;
  isCancelled = false;
  readonly length: number | undefined;

  constructor(length: number | undefined) {
    this.length = length;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
  }

  resume(): void {
    this.isPaused = false;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

/** A reader that takes so many chunks before it wants a pause. */
class SlowSink implements BodySink {
  readonly got: Buffer[] = [];
  ending: 'none' | 'whole' | 'broken' = 'none';
  takes = 0;

  write(chunk: Uint8Array): boolean {
    this.got.push(Buffer.from(chunk));
    return --this.takes > 0;
  }

  end(): void {
    this.ending = 'whole';
  }

  abort(): void {
    this.ending = 'broken';
  }
}

type Move =
  | { readonly kind: 'chunk'; readonly bytes: number }
  | { readonly kind: 'join' | 'end' | 'break' }
  | { readonly kind: 'read' | 'leave'; readonly who: number; readonly chunks: number };

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('chunk' as const),
      bytes: fc.constantFrom(1, 1000, 40_000, 90_000),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'join' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      who: fc.nat(4),
      chunks: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.nat(4), chunks: fc.constant(0) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'end' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'break' as const }) },
);

/** Plays moves against a body, with what an obvious model expects of it. */
function play(moves: readonly Move[], room: number, length: number | undefined): void {
  const source = new ScriptedSource(length);
  let taken = 0;
  const outcomes: (Buffer | undefined)[] = [];
  const body = new SharedBody(source, {
    maxBufferedBytes: LIMIT,
    reserve: (bytes) => {
      if (taken + bytes > room) return false;
      taken += bytes;
      return true;
    },
    release: (bytes) => {
      taken -= bytes;
      expect(taken).toBeGreaterThanOrEqual(0);
    },
    onOutcome: (whole) => outcomes.push(whole),
  });
  const readers: { source: BodySource; sink: SlowSink; isGone: boolean }[] = [];
  const join = (): void => {
    const reader = { source: body.open(), sink: new SlowSink(), isGone: false };
    reader.sink.takes = 1;
    readers.push(reader);
    reader.source.pipe(reader.sink);
  };
  join();
  body.start();
  const sent: Buffer[] = [];
  let ending: 'none' | 'whole' | 'broken' = 'none';
  for (const [i, one] of moves.entries()) {
    const isOver = ending !== 'none' || source.isCancelled;
    if (one.kind === 'chunk' && !isOver && !source.isPaused) {
      const chunk = Buffer.alloc(one.bytes, i);
      sent.push(Buffer.from(chunk));
      source.isPaused = !(source.sink as BodySink).write(chunk);
      // A chunk is lent.
      chunk.fill(255);
    } else if (one.kind === 'join' && body.isOpen) join();
    else if (one.kind === 'end' && !isOver) {
      ending = 'whole';
      body.end();
    } else if (one.kind === 'break' && !isOver) {
      ending = 'broken';
      body.abort(new Error('broken'));
    } else if (one.kind === 'read' || one.kind === 'leave') {
      const reader = readers[one.who];
      if (reader === undefined || reader.isGone) continue;
      if (one.kind === 'leave') {
        reader.isGone = true;
        reader.source.cancel();
      } else {
        reader.sink.takes = one.chunks;
        reader.source.resume();
      }
    }
    expect(taken).toBeLessThanOrEqual(room);
  }
  // Whoever stays reads to the end, which comes if it has not.
  for (const { source: own, sink, isGone } of readers) {
    if (isGone) continue;
    sink.takes = Number.POSITIVE_INFINITY;
    own.resume();
  }
  if (ending === 'none' && !source.isCancelled) {
    ending = 'whole';
    body.end();
  }
  check({ readers, sent, ending, outcomes, taken, isCancelled: source.isCancelled });
}

interface Played {
  readonly readers: readonly { readonly sink: SlowSink; readonly isGone: boolean }[];
  readonly sent: readonly Buffer[];
  readonly ending: 'none' | 'whole' | 'broken';
  readonly outcomes: readonly (Buffer | undefined)[];
  readonly taken: number;
  readonly isCancelled: boolean;
}

function check({ readers, sent, ending, outcomes, taken, isCancelled }: Played): void {
  const all = Buffer.concat(sent);
  for (const { sink, isGone } of readers) {
    const got = Buffer.concat(sink.got);
    // Nobody gets other bytes, and who stays gets all of them and the same end.
    expect(got.equals(all.subarray(0, got.length))).toBe(true);
    if (isGone) continue;
    expect(sink.ending).toBe(ending);
    if (ending === 'whole') expect(got.length).toBe(all.length);
  }
  expect(outcomes).toHaveLength(1);
  const [whole] = outcomes;
  if (whole !== undefined) {
    expect(ending).toBe('whole');
    expect(whole.equals(all)).toBe(true);
    expect(whole.length).toBeLessThanOrEqual(LIMIT);
  }
  if (isCancelled) expect(readers.every(({ isGone }) => isGone)).toBe(true);
  expect(taken).toBe(0);
}

describe('a shared body', () => {
  it.each([
    ['with room for all', ROOM, undefined],
    ['with little room', 60_000, undefined],
    ['with no room', 0, undefined],
    ['that is known to be too large', ROOM, LIMIT + 1],
  ] as const)(
    'gives every reader the same bytes and end, keeps count of its room, and tells one outcome: %s',
    (_, room, length) => {
      fc.assert(
        fc.property(fc.array(move, { maxLength: 40 }), (moves) => play(moves, room, length)),
        { numRuns: 300 },
      );
    },
  );
});
