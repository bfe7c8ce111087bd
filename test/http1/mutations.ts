import { fc } from '../support/fast-check.ts';

/** Pieces that have broken parsers before: put in anywhere. */
const TOKENS = [
  ...[
    '\r\n',
    '\r\n\r\n',
    '\r',
    '\n',
    '\n\n',
    '\r\r\n',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '\0',
    '\x0b',
    '\x7f',
    '\x80',
    '\xa0',
  ],
  ...['Content-Length: 3\r\n', 'Content-Length: 0\r\n', 'Content-Length: -1\r\n', 'content-length : 1\r\n'],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding : chunked\r\n',
    'Transfer-Encoding: x\r\n',
    'chunked',
  ],
  ...[
    'transfer-encoding:\tchunked\r\n',
    'Transfer_Encoding: chunked\r\n',
    'TE: chunked\r\n',
    ', chunked',
    'identity',
  ],
  ...[
    'Host: b\r\n',
    'Connection: close\r\n',
    'Connection: upgrade\r\nUpgrade: x\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...['0\r\n\r\n', '1\r\nx\r\n', '5;a\r\n', '5;a="\r\n', '0x5', '+5', '-0', 'ffffffffffffffff\r\n', '1e1'],
  ...[
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    ' HTTP/1.1',
    'http://b@c/',
    '*',
    '#',
    '%00',
  ],
  ...['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '100 Continue', '204 No Content', '304', '101', '0'],
];

interface Mutation {
  readonly kind: 'insert' | 'replace' | 'delete' | 'repeat' | 'byte' | 'move';
  readonly at: number;
  readonly length: number;
  readonly token: string;
  readonly byte: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('insert', 'replace', 'delete', 'repeat', 'byte', 'move'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.integer({ min: 1, max: 8 }),
  token: fc.constantFrom(...TOKENS),
  byte: fc.integer({ min: 0, max: 255 }),
});

/** A stream, and how it is cut into reads. */
export interface CutStream {
  readonly text: string;
  readonly pieces: readonly Buffer[];
}

/** Makes streams of `seeds` with a few mutations each, cut at a few places. */
export function mutatedStreams(seeds: readonly string[]): fc.Arbitrary<CutStream> {
  return fc
    .record({
      seed: fc.constantFrom(...seeds),
      mutations: fc.array(mutation, { maxLength: 3 }),
      cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
    })
    .map(({ seed, mutations, cuts }) => {
      const text = mutations.reduce(mutate, seed);
      return {
        text,
        pieces: cutAt(
          text,
          cuts.map((share) => Math.floor(share * text.length)),
        ),
      };
    });
}

/** Cuts a latin1 text at `positions` into the reads in which it arrives. */
export function cutAt(text: string, positions: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const edges = [0, ...positions.toSorted((a, b) => a - b), bytes.length];
  return edges
    .slice(1)
    .map((end, i) => bytes.subarray(edges[i], end))
    .filter((piece) => piece.length > 0);
}

function mutate(text: string, { kind, at, length, token, byte }: Mutation): string {
  const start = Math.floor(at * (text.length + 1));
  const end = Math.min(text.length, start + length);
  const before = text.slice(0, start);
  switch (kind) {
    case 'insert':
      return `${before}${token}${text.slice(start)}`;
    case 'replace':
      return `${before}${token}${text.slice(end)}`;
    case 'delete':
      return `${before}${text.slice(end)}`;
    case 'repeat':
      return `${before}${text.slice(start, end)}${text.slice(start)}`;
    case 'byte':
      return `${before}${String.fromCharCode(byte)}${text.slice(start + 1)}`;
    case 'move':
      return `${text.slice(end)}${before}${text.slice(start, end)}`;
  }
}
