import { expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { type MemoryUse, SelfWatch } from '../../src/observability/self-watch.ts';
import { recordLog } from '../stores/record-log.ts';
import { readValue } from '../supervisor/pool-of.ts';
import { MemoryDestination } from './memory-destination.ts';
import { StubClock } from './stub-clock.ts';

const MIB = 1024 * 1024;

/** A clock of a machine that somebody sets. */
class SetClock extends StubClock {
  offsetMs = 0;

  override now(): number {
    return super.now() + this.offsetMs;
  }
}

function start(watchesClock = true) {
  const clock = new SetClock();
  const metrics = createMetrics({ version: 'test' });
  const log = recordLog();
  const complaints: string[] = [];
  const destination: { problem: string | undefined } & MemoryDestination = Object.assign(
    new MemoryDestination(),
    {
      problem: undefined,
    },
  );
  let memory: MemoryUse = {
    heapUsed: 1,
    heapLimit: 100 * MIB,
    resident: 1,
    residentLimit: Number.POSITIVE_INFINITY,
  };
  const watch = new SelfWatch({
    clock,
    log,
    metrics,
    destination,
    watchesClock,
    readMemory: () => memory,
    complain: (line) => complaints.push(line),
  });
  const look = (use: Partial<MemoryUse> = {}): void => {
    memory = { ...memory, ...use };
    clock.advance(1000);
  };
  const read = async (name: string): Promise<number> => readValue((await metrics.render()).text, name);
  return { clock, log, watch, look, destination, complaints, read };
}

const messages = (log: ReturnType<typeof recordLog>): string[] => log.lines.map(({ message }) => message);

it.each([3_600_000, -3_600_000, 1000])('a clock that is set by %i ms is a line and a count', async (byMs) => {
  const { clock, log, look, read } = start();
  look();
  clock.offsetMs += byMs;
  look();
  look();
  expect(log.lines).toMatchObject([
    { byMs, message: expect.stringContaining('clock of this machine was set') },
  ]);
  expect(await read('gateway_clock_jumps_total')).toBe(1);
});

it('a clock that is corrected a little at a time is none, nor is a process that stood still', () => {
  const { clock, log, look } = start();
  for (let i = 0; i < 10; i++) {
    clock.offsetMs += 400;
    look();
  }
  clock.block(60_000);
  look();
  expect(log.lines).toEqual([]);
});

it.each<[what: string, short: Partial<MemoryUse>, enough: Partial<MemoryUse>, remedy: string]>([
  ['the heap', { heapUsed: 91 * MIB }, { heapUsed: 70 * MIB }, '--max-old-space-size'],
  [
    'the container',
    { resident: 240 * MIB, residentLimit: 256 * MIB },
    { resident: 200 * MIB },
    'the machine or container',
  ],
])(
  '%s that is nearly full is a line and a problem, until there is room again',
  (_, short, enough, remedy) => {
    const { log, look, watch } = start();
    look();
    expect(watch.problems).toEqual([]);
    look(short);
    look();
    expect(watch.problems).toEqual([expect.stringMatching(/^memory is short: \d+ of \d+ MiB are in use$/)]);
    expect(messages(log)).toEqual([expect.stringContaining(remedy)]);
    look(enough);
    expect(watch.problems).toEqual([]);
    look(short);
    expect(log.lines).toHaveLength(2);
  },
);

it('a log that is not written is told where it can be, once', () => {
  const { look, watch, destination, complaints } = start();
  destination.problem = 'the log cannot be written (ENOSPC)';
  look();
  look();
  expect(watch.problems).toEqual(['the log cannot be written (ENOSPC)']);
  expect(complaints).toHaveLength(1);
  expect(JSON.parse(complaints[0] as string)).toMatchObject({
    level: 50,
    msg: 'the log cannot be written (ENOSPC)',
  });
  destination.problem = undefined;
  look();
  expect(watch.problems).toEqual([]);
});

it('one of several processes of a gateway watches the clock', async () => {
  const { clock, log, look, watch } = start(false);
  clock.offsetMs += 3_600_000;
  look();
  expect(log.lines).toEqual([]);
  clock.offsetMs += 3_600_000;
  watch.close();
  look();
  expect(log.lines).toEqual([]);
});
