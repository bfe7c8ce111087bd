/**
 * What workers cost: CPU time a request of two workers and their supervisor beside one process, plain and under a limit
 * that the supervisor counts, and what two workers of nginx cost beside one of it. All on one core: `node bench/workers.ts --rounds 5 --duration 5`, `--write` keeps it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ensureCommands } from '../scripts/ensure-packages.ts';
import { startBackend } from './backend.ts';
import { measureScenario, type Row } from './measure.ts';
import type { Peer } from './peer.ts';
import { nginx } from './peers/nginx.ts';
import { sallyport } from './peers/sallyport.ts';
import { machineNote, publish } from './report.ts';
import type { Scenario } from './scenarios.ts';
import { SCENARIOS } from './scenarios.ts';
import { median } from './statistics.ts';
import { makeCertificate, makeWorkplace } from './workplace.ts';

const GOAL = 1.15;
/** More than any run asks for, so that every request is counted and none refused. */
const LIMIT = { 'rate-limit': { limit: 10_000_000, window: '1m', key: 'ip' } };

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    duration: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});

/** Sallyport with so many workers. */
function withWorkers(name: string, workers: number, policies: readonly object[] = []): Peer {
  return {
    ...sallyport,
    name,
    prepare(setup) {
      const command = sallyport.prepare(setup);
      const file = command.args[command.args.indexOf('--config') + 1] as string;
      const config = JSON.parse(readFileSync(file, 'utf8')) as { policies: unknown[] };
      config.policies.push(...policies);
      writeFileSync(file, JSON.stringify(config));
      return { ...command, args: [...command.args, '--workers', String(workers)] };
    },
  };
}

/** nginx with so many workers. */
function nginxWithWorkers(name: string, workers: number): Peer {
  return {
    ...nginx,
    name,
    prepare(setup) {
      const command = nginx.prepare(setup);
      const file = command.args[command.args.indexOf('-c') + 1] as string;
      const config = readFileSync(file, 'utf8');
      writeFileSync(file, config.replace('worker_processes 1;', `worker_processes ${workers};`));
      return command;
    },
  };
}

const peers = [
  withWorkers('one process', 1),
  withWorkers('two workers', 2),
  withWorkers('one process, limited', 1, [LIMIT]),
  withWorkers('two workers, limited', 2, [LIMIT]),
  nginxWithWorkers('nginx, one worker', 1),
  nginxWithWorkers('nginx, two workers', 2),
];

ensureCommands(['nginx', 'taskset', 'wrk', 'openssl']);
const workplace = makeWorkplace();
const json = SCENARIOS.find(({ name }) => name === 'json') as Scenario;
// Each of two workers sees half of the requests, and takes twice as long to be compiled.
const scenario = { ...json, warmUpSeconds: Number(options.duration) * 2 };
const seconds = Number(options.duration);
const rows = await measureScenario(scenario, peers, {
  workplace,
  backendPort: await startBackend(workplace),
  certificate: makeCertificate(workplace),
  rounds: Number(options.rounds),
  seconds,
});

function ratioOf(row: Row, base: Row): number {
  const cpu = (each: Row, round: number): number =>
    each.samples[round]?.cpuMicrosecondsPerRequest ?? Number.NaN;
  return median(row.samples.map((_, round) => cpu(row, round) / cpu(base, round)));
}

const [one, two, oneLimited, , oneNginx, twoNginx] = rows as [Row, Row, Row, Row, Row, Row];
const lines = rows.map((row, i) => {
  const middle = (pick: (sample: Row['samples'][number]) => number): number => median(row.samples.map(pick));
  const failures = row.samples.reduce((sum, sample) => sum + sample.failures, 0);
  const base = [one, oneLimited, oneNginx][Math.floor(i / 2)] as Row;
  return `| ${row.label} | ${middle((sample) => sample.cpuMicrosecondsPerRequest).toFixed(1)} | ${ratioOf(row, base).toFixed(2)} | ${middle((sample) => sample.p99Ms).toFixed(2)} | ${middle((sample) => sample.residentMiB).toFixed(0)} | ${failures} |`;
});
const ratio = ratioOf(two, one);
const report = `## Two workers beside one process

| | CPU µs/request | × one of the same | p99 ms | RSS MiB | failures |
| --- | --: | --: | --: | --: | --: |
${lines.join('\n')}

Goal: two workers at most ${GOAL} × the CPU of one process, with the access log on. Measured: ${ratio.toFixed(2)}, ${ratio <= GOAL ? 'met' : 'MISSED'}; that of nginx
beside it: ${ratioOf(twoNginx, oneNginx).toFixed(2)}, for its workers too share the core, and each finds half as much to do when it wakes. A limit of several workers is a message
to the supervisor and back for all requests of a turn of the event loop.

${options.rounds} rounds of ${seconds} s each, interleaved, supervisor and workers on one core. ${machineNote()}
`;
publish('workers', report, options.write);
process.exit();
