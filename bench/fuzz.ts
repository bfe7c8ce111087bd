/**
 * Gives millions of mutated streams to both sides of the HTTP/1.1 engine and to node:http and undici, as the tests do
 * with thousands: `node bench/fuzz.ts --streams 1000000 --seed 7`. Every difference without a named reason, every
 * exception, and every parser that is not given back is printed, and makes it fail.
 */
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { llhttp } from '../src/http1/llhttp.ts';
import { receiveWithNode, receiveWithUndici } from '../test/http1/client-oracles.ts';
import type { Difference } from '../test/http1/compare-messages.ts';
import { compareRequests } from '../test/http1/compare-requests.ts';
import { compareResponses } from '../test/http1/compare-responses.ts';
import { type CutStream, mutatedStreams } from '../test/http1/mutations.ts';
import { NodeServerOracle } from '../test/http1/node-server-oracle.ts';
import { receiveStream } from '../test/http1/receive-stream.ts';
import { requestSeeds } from '../test/http1/request-seeds.ts';
import { responseSeeds } from '../test/http1/response-seeds.ts';
import { serveStream } from '../test/http1/serve-stream.ts';

const { values: options } = parseArgs({
  options: { streams: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const streams = Number(options.streams);
const BATCH = 2000;
/** Against one answer from undici come this many requests: each client takes much longer than a server. */
const REQUESTS_FOR_AN_ANSWER = 8;

const CLIENTS = [
  ['node:http', receiveWithNode],
  ['undici', receiveWithUndici],
] as const;

const server = new NodeServerOracle();
const counts = new Map<string, number>();
let faults = 0;

const parsersBefore = freeParsers();
const memoryBefore = process.memoryUsage.rss();
for (let done = 0, seed = Number(options.seed); done < streams; done += BATCH, seed++) {
  await fuzzRequests(seed);
  await fuzzAnswers(seed);
  fuzzNoise(seed);
  await setImmediate();
}
server.close();
const lostParsers = parsersBefore - freeParsers();
const grownMiB = (process.memoryUsage.rss() - memoryBefore) / 2 ** 20;
console.table([...counts].toSorted((a, b) => b[1] - a[1]).map(([outcome, count]) => ({ outcome, count })));
console.log(`${faults} faults, ${lostParsers} parsers lost, memory grown by ${grownMiB.toFixed(0)} MiB`);
process.exitCode = faults + lostParsers === 0 ? 0 : 1;

async function fuzzRequests(seed: number): Promise<void> {
  for (const stream of fc.sample(mutatedStreams(requestSeeds()), { seed, numRuns: BATCH })) {
    const ours = attempt(stream, () => serveStream(stream.pieces));
    if (ours === undefined) continue;
    note('request', stream, compareRequests(stream.text, ours, await server.serve(stream.pieces)));
  }
}

async function fuzzAnswers(seed: number): Promise<void> {
  const numRuns = BATCH / REQUESTS_FOR_AN_ANSWER;
  for (const stream of fc.sample(mutatedStreams(responseSeeds()), { seed, numRuns })) {
    const ours = attempt(stream, () => receiveStream(stream.pieces));
    if (ours === undefined) continue;
    for (const [client, receive] of CLIENTS) {
      const difference = compareResponses(stream.text, ours, await receive(stream.pieces), client);
      note(`answer, ${client}`, stream, difference);
    }
  }
}

/** Connections that send what is nothing at all. */
function fuzzNoise(seed: number): void {
  for (const noise of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 400 }), { seed, numRuns: BATCH })) {
    const stream = { text: Buffer.from(noise).toString('latin1'), pieces: [Buffer.from(noise)] };
    attempt(stream, () => serveStream(stream.pieces));
    attempt(stream, () => receiveStream(stream.pieces));
  }
}

function attempt<T>(stream: CutStream, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    faults++;
    console.log('THROWN', error, JSON.stringify(stream.text));
    return undefined;
  }
}

function note(side: string, { text, pieces }: CutStream, difference: Difference | undefined): void {
  const outcome = `${side}: ${difference === undefined ? 'the same' : (difference.rules[0] ?? 'FAULT')}`;
  counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  if (difference === undefined || difference.rules.length > 0) return;
  faults++;
  const cuts = pieces.map(({ length }) => length).join('+');
  console.log(`FAULT ${side}: ${difference.what}\n  ${JSON.stringify(text)} in reads of ${cuts}`);
}

function freeParsers(): number {
  const taken: number[] = [];
  for (let pointer = llhttp().acquire(); pointer !== 0; pointer = llhttp().acquire()) taken.push(pointer);
  for (const pointer of taken) llhttp().release(pointer);
  return taken.length;
}
