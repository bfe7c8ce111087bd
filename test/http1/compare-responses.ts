import {
  compareMessage,
  type Difference,
  fault,
  type StricterRule,
  stricter,
  valuesOf,
} from './compare-messages.ts';
import type { ReceivedOutcome } from './receive-stream.ts';
import type { Outcome } from './taken.ts';

/** Each case in which we take an answer for broken that Node's client or undici takes for whole. */
export const STRICTER_THAN_CLIENTS: readonly StricterRule[] = [
  { name: 'a status that is not between 100 and 599', explains: ({ line }) => !/^[1-5]\d\d\b/.test(line) },
  {
    name: 'a protocol other than HTTP/1.0 and HTTP/1.1',
    explains: (_, text) => /^(?!HTTP\/1\.[01] )\S+ \d\d\d/m.test(text),
  },
  {
    name: 'an interim answer in HTTP/1.0',
    explains: (_, text) => /^HTTP\/1\.0 1\d\d/m.test(text),
  },
  { name: 'another protocol that nobody asked for', explains: ({ line }) => line.startsWith('101 ') },
  {
    name: 'empty lines before the status line',
    explains: (_, text) => /(^|\r\n\r\n)[\r\n]+HTTP\//.test(text),
  },
  {
    name: 'Transfer-Encoding that is not exactly one `chunked`',
    explains: (message, text) => {
      const codings = valuesOf(message, 'transfer-encoding');
      const isOther = codings.length > 1 || codings.some((coding) => coding.toLowerCase() !== 'chunked');
      return isOther || /^transfer-encoding:[^\r\n]*\t *\r\n/im.test(text);
    },
  },
  {
    name: 'Transfer-Encoding on HTTP/1.0',
    explains: (message, text) =>
      /^HTTP\/1\.0/m.test(text) && valuesOf(message, 'transfer-encoding').length > 0,
  },
  {
    name: 'Content-Length that is repeated, empty, above 2^53-1 or of more than 16 digits',
    explains: (message) => {
      const lengths = valuesOf(message, 'content-length');
      return (
        lengths.length > 1 || lengths.some((length) => !/^\d{1,16}$/.test(length) || BigInt(length) > LARGEST)
      );
    },
  },
];

const LARGEST = 2n ** 53n - 1n;

/** Compares what we made of an answer with what another client made of it. Answers `undefined` where it is the same. */
export function compareResponses(
  text: string,
  ours: ReceivedOutcome,
  theirs: Outcome,
  client: 'node:http' | 'undici',
): Difference | undefined {
  const mine = ours.messages[0];
  const other = theirs.messages[0];
  if (mine?.isComplete) {
    if (!other?.isComplete) return laxer(text, client);
    if (theirs.isRejected && ours.isReused) return fault('the connection is used again by us only');
    // undici reads reason phrases as UTF-8, so they are left out.
    const line = client === 'undici' ? mine.line.slice(0, 3) : mine.line;
    const what = compareMessage({ ...mine, line }, other);
    return what === undefined ? undefined : fault(`the ${what} differs`);
  }
  if (!ours.isRejected) return fault('neither whole nor broken');
  return other?.isComplete ? stricter(STRICTER_THAN_CLIENTS, other, text) : undefined;
}

/** The one thing that undici refuses and RFC 9110 §15.2 tells clients to take, as Node's does. */
export const LAXER_THAN_UNDICI = 'an interim 100 that nobody asked for';

function laxer(text: string, client: string): Difference {
  const what = 'taken for whole by us only';
  const isKnown = client === 'undici' && /^HTTP\/1\.[01] 100/m.test(text);
  return isKnown ? { rules: [LAXER_THAN_UNDICI], what } : fault(what);
}
