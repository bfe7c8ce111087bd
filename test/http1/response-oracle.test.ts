import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fc } from '../support/fast-check.ts';
import { receiveWithNode, receiveWithUndici } from './client-oracles.ts';
import { compareResponses, LAXER_THAN_UNDICI, STRICTER_THAN_CLIENTS } from './compare-responses.ts';
import { type CutStream, cutAt, mutatedStreams } from './mutations.ts';
import { type ReceivedOutcome, receiveStream } from './receive-stream.ts';
import { responseSeeds } from './response-seeds.ts';

const SEEDS = responseSeeds();
const CLIENTS = [
  ['node:http', receiveWithNode],
  ['undici', receiveWithUndici],
] as const;

describe('the target side, against the clients of node:http and undici', () => {
  it('takes the same answers from hundreds of streams, or is stricter by a rule that has a name', async () => {
    const met = new Set<string>();
    for (const [i, text] of SEEDS.entries()) {
      const stream = { text, pieces: cutAt(text, []) };
      for (const rule of await compare(stream, i % 4 === 0 ? 'HEAD' : 'GET')) met.add(rule);
    }
    const known = [...STRICTER_THAN_CLIENTS.map(({ name }) => name), LAXER_THAN_UNDICI];
    expect(known.filter((name) => !met.has(name))).toEqual([]);
  });

  it('does so with thousands of mutated streams, cut anywhere', async () => {
    const check = (stream: CutStream) => compare(stream, 'GET').then(() => {});
    await fc.assert(fc.asyncProperty(mutatedStreams(SEEDS), check), { seed: 9112, numRuns: 2000 });
  });

  it('never uses a connection again that was closed, broken or has bytes behind the answer', () => {
    for (const text of SEEDS) {
      const outcome = receiveStream(cutAt(text, []));
      if (!outcome.isReused) continue;
      expect(outcome, JSON.stringify(text)).toMatchObject({
        isRejected: false,
        messages: [{ isComplete: true }],
      });
      const behind = receiveStream(cutAt(`${text}x`, []));
      expect(behind.isReused, JSON.stringify(text)).toBe(false);
      expect(receiveStream([...cutAt(text, []), Buffer.from('x')]).isReused).toBe(false);
    }
  });
});

describe('cutting an answer', () => {
  it('anywhere in two changes nothing', async () => {
    for (const text of SEEDS.filter((_, i) => i % 4 === 0)) {
      const whole = essence(receiveStream(cutAt(text, [])));
      for (let at = 1; at < text.length; at++) {
        const cut = essence(receiveStream(cutAt(text, [at])));
        if (cut !== whole) expect(cut, `${JSON.stringify(text)} cut at ${at}`).toBe(whole);
      }
      await setImmediate();
    }
  });
});

/** Compares our reading with both clients' and returns the names of the rules by which we differ. */
async function compare({ text, pieces }: CutStream, method: string): Promise<string[]> {
  const ours = receiveStream(pieces, method);
  const rules: string[] = [];
  for (const [client, receive] of CLIENTS) {
    const difference = compareResponses(text, ours, await receive(pieces, method), client);
    if (difference === undefined) continue;
    expect(difference.rules, `${client}: ${difference.what} in ${JSON.stringify(text)}`).not.toEqual([]);
    rules.push(...difference.rules);
  }
  return rules;
}

/** What must not depend on how an answer was cut. The part of a body that came before its fault may. */
function essence({ messages, interims, isRejected }: ReceivedOutcome): string {
  const seen = messages.map((message) => (message.isComplete ? message : { ...message, body: '' }));
  return JSON.stringify([seen, interims, isRejected]);
}
