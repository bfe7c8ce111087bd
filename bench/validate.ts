/**
 * Asks what it costs to judge a body: a request with 1 KiB of JSON whose body a policy reads (off), and the same with
 * `validate` in the place of that (on), by turns; and whether requests wait while bodies of 1 MiB are judged.
 * Goals: 12 µs a request; no busy stretch of more than 20 ms.
 * Run: `node bench/validate.ts [--write]`.
 */
import { parseArgs } from 'node:util';
import { bodyFrom, readBody } from '../src/core/body.ts';
import { systemClock } from '../src/core/clock.ts';
import { JsonBodyJudge } from '../src/policies/validate/body-judge.ts';
import { JudgeThread } from '../src/policies/validate/judge-thread.ts';
import { LoopMonitor, quantile } from './loop-monitor.ts';
import { processNote, publish } from './report.ts';
import { median } from './statistics.ts';

const GOAL_US = 12;
const GOAL_BUSY_MS = 20;
const ROUNDS = 41;
const BODIES = 10_000;
const LARGE_BODIES = 60;
const WARM_UP = 10;

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false } } });

const line = {
  type: 'object',
  required: ['sku', 'count', 'price'],
  properties: {
    sku: { type: 'string', pattern: '^[A-Z]{3}-[0-9]{4}$' },
    count: { type: 'integer', minimum: 1 },
    price: { type: 'number', exclusiveMinimum: 0 },
    note: { type: 'string', maxLength: 200 },
  },
  additionalProperties: false,
};
const schema = {
  type: 'object',
  required: ['id', 'customer', 'lines'],
  properties: {
    id: { type: 'integer' },
    customer: {
      type: 'object',
      required: ['name', 'email'],
      properties: {
        name: { type: 'string', minLength: 1 },
        email: { type: 'string', pattern: '^[^@]+@[^@]+$' },
        vip: { type: 'boolean' },
      },
    },
    lines: { type: 'array', minItems: 1, items: { $ref: '#/$defs/line' } },
    tags: { type: 'array', items: { enum: ['new', 'gift', 'express'] }, uniqueItems: true },
  },
  $defs: { line },
};
const orderOf = (lines: number) => ({
  id: 4711,
  customer: { name: 'Ada Lovelace', email: 'ada@example.com', vip: true },
  lines: Array.from({ length: lines }, (_, i) => ({
    sku: `ABC-${1000 + (i % 9000)}`,
    count: (i % 9) + 1,
    price: 9.95 + i,
    note: 'leave it at the door, please',
  })),
  tags: ['new', 'gift'],
});

function bodyOf(bytes: number): Buffer {
  let lines = 1;
  while (JSON.stringify(orderOf(lines)).length < bytes)
    lines = Math.ceil(lines * 1.02) + (lines < 50 ? 0 : 1);
  return Buffer.from(JSON.stringify(orderOf(lines)));
}

const spec = { schema, unknown: undefined, coerce: false, maxDepth: 32 };
const small = bodyOf(1024);
const judge = new JsonBodyJudge(spec);
const strip = new JsonBodyJudge({ ...spec, unknown: 'strip' });

/** What a policy that asks for a body costs without one that judges it. */
async function read(): Promise<Buffer> {
  return readBody(bodyFrom(small), 1024 * 1024);
}

async function time(work: (bytes: Buffer) => unknown): Promise<number> {
  const start = process.threadCpuUsage();
  for (let i = 0; i < BODIES; i++) work(await read());
  const { user, system } = process.threadCpuUsage(start);
  return (user + system) / BODIES;
}

const judged = {
  off: () => {},
  on: (bytes: Buffer) => judge.judge(bytes),
  parse: (bytes: Buffer) => JSON.parse(bytes.toString()),
  strip: (bytes: Buffer) => strip.judge(bytes),
};
const rounds: Record<keyof typeof judged, number[]> = { off: [], on: [], parse: [], strip: [] };
for (let round = 0; round < ROUNDS; round++)
  for (const [name, work] of Object.entries(judged))
    rounds[name as keyof typeof judged].push(await time(work));

/** What a body costs more than to read it. The first rounds are those of a process that has still to learn. */
function addedBy(name: keyof typeof judged): number {
  return median(rounds[name].slice(WARM_UP).map((us, i) => us - (rounds.off[WARM_UP + i] as number)));
}

/** How long this thread works in one go while large bodies are judged, and how long one takes. */
async function measureLarge() {
  const thread = new JudgeThread(systemClock);
  const bytes = bodyOf(1024 * 1024);
  await thread.judge(spec, bytes);
  const monitor = new LoopMonitor();
  monitor.start();
  const begun = performance.now();
  for (let i = 0; i < LARGE_BODIES; i++) await thread.judge(spec, bytes);
  const eachMs = (performance.now() - begun) / LARGE_BODIES;
  monitor.stop();
  thread.close();
  return { eachMs, ...monitor.take() };
}

const { eachMs, busyMs, wallMs } = await measureLarge();
const added = { on: addedBy('on'), parse: addedBy('parse'), strip: addedBy('strip') };
const mostBusy = quantile(busyMs, 1);
const isMet = added.on <= GOAL_US && mostBusy <= GOAL_BUSY_MS;
const report = `## What it costs to judge a body

| | added to reading it |
| --- | --: |
| ${small.length} bytes of JSON, by a schema of 15 keywords | ${added.on.toFixed(1)} µs |
| of that, \`JSON.parse\` | ${added.parse.toFixed(1)} µs |
| with \`unknown: strip\` | ${added.strip.toFixed(1)} µs |

CPU time. Medians of ${ROUNDS - WARM_UP} rounds of ${BODIES.toLocaleString('en')} bodies, by turns. Goal: at most ${GOAL_US} µs.

Bodies of 1 MiB, one after the other, each ${eachMs.toFixed(0)} ms in the thread beside: this one works ${mostBusy.toFixed(1)} ms in one go at most; a turn of its event loop comes after
${quantile(wallMs, 0.99).toFixed(1)} ms (99 %) by the clock. Goal: ${GOAL_BUSY_MS} ms.

${isMet ? 'Met' : 'MISSED'}. ${processNote()}
`;
publish('validate', report, options.write);
process.exit(isMet ? 0 : 1);
