import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fc } from '../support/fast-check.ts';
import { compareRequests, LOST_BY_NODE, STRICTER } from './compare-requests.ts';
import { type CutStream, cutAt, mutatedStreams } from './mutations.ts';
import { NodeServerOracle } from './node-server-oracle.ts';
import { requestSeeds } from './request-seeds.ts';
import { type ServedOutcome, serveStream } from './serve-stream.ts';

const SEEDS = requestSeeds();
const CLEAN_HEAD =
  /^[A-Z-]+ [\x21-\x7e]+ HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*(?:[\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]*)?\r\n)+\r\n/;

let node: NodeServerOracle;
let lenient: NodeServerOracle;

beforeAll(() => {
  node = new NodeServerOracle();
  lenient = new NodeServerOracle({ isLenient: true });
});
afterAll(() => {
  node.close();
  lenient.close();
});

describe('the client side, against the server of node:http', () => {
  it('takes the same requests from hundreds of streams, or is stricter by a rule that has a name', async () => {
    const met = new Set<string>();
    for (const text of SEEDS) {
      for (const rule of await compare({ text, pieces: cutAt(text, []) })) met.add(rule);
    }
    const known = [...STRICTER.map(({ name }) => name), LOST_BY_NODE];
    expect(known.filter((name) => !met.has(name))).toEqual([]);
  });

  it('does so with thousands of mutated streams, cut anywhere', async () => {
    const check = (stream: CutStream) => compare(stream).then(() => {});
    await fc.assert(fc.asyncProperty(mutatedStreams(SEEDS), check), { seed: 9112, numRuns: 4000 });
  });

  it('forwards only what the most lenient reader understands as it does', async () => {
    const check = async ({ pieces }: CutStream): Promise<void> => {
      const { messages, forwarded } = serveStream(pieces);
      for (const [i, text] of forwarded.entries()) {
        expect(text).toMatch(CLEAN_HEAD);
        const again = await lenient.serve([Buffer.from(text, 'latin1')]);
        expect(again.messages).toHaveLength(1);
        expect(again.messages[0]).toMatchObject({ body: messages[i]?.body, isComplete: true });
        expect(serveStream([Buffer.from(text, 'latin1')]).messages).toHaveLength(1);
      }
    };
    await fc.assert(fc.asyncProperty(mutatedStreams(SEEDS), check), { seed: 9110, numRuns: 2000 });
  });
});

describe('cutting a stream', () => {
  it('anywhere in two changes nothing', async () => {
    for (const [n, text] of SEEDS.entries()) {
      const whole = essence(serveStream(cutAt(text, [])));
      // The combined streams at the end are long and made of those before.
      const step = n < SEEDS.length - 120 ? 1 : 9;
      for (let at = 1; at < text.length; at += step) {
        const cut = essence(serveStream(cutAt(text, [at])));
        if (cut !== whole) expect(cut, `${JSON.stringify(text)} cut at ${at}`).toBe(whole);
      }
      await setImmediate();
    }
  });

  it('into single bytes changes nothing', () => {
    for (const text of SEEDS) {
      const bytes = cutAt(
        text,
        Array.from(text, (_, i) => i),
      );
      expect(essence(serveStream(bytes)), JSON.stringify(text)).toBe(essence(serveStream(cutAt(text, []))));
    }
  });
});

/** Compares our reading with Node's and returns the names of the rules by which we are stricter. */
async function compare({ text, pieces }: CutStream): Promise<readonly string[]> {
  const difference = compareRequests(text, serveStream(pieces), await node.serve(pieces.map(asKnownVersion)));
  if (difference === undefined) return [];
  expect(difference.rules, `${difference.what} in ${JSON.stringify(text)}`).not.toEqual([]);
  return difference.rules;
}

/** Node knows no 1.2, which we read as 1.1 (RFC 9110 §2.5). A cut within the version is left to it. */
function asKnownVersion(piece: Buffer): Buffer {
  const text = piece
    .toString('latin1')
    .replace(/(?<start>^|\n)(?<line>[A-Z-]+ \S+ HTTP\/1\.)[2-9](?=\r\n)/g, '$<start>$<line>1');
  return Buffer.from(text, 'latin1');
}

/** What must not depend on how a stream was cut. The part of a body that came before its fault may. */
function essence({ messages, isRejected }: ServedOutcome): string {
  const seen = messages.map((message) => (message.isComplete ? message : { ...message, body: '' }));
  return JSON.stringify([seen, isRejected]);
}
