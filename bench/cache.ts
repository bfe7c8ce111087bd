/**
 * Compares hits of the cache with nginx `proxy_cache` and Varnish, and what a miss costs beside the plain proxied request:
 * `node bench/cache.ts --rounds 7 --duration 4`. `--write` puts the result into bench/results/.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensureCommands } from '../scripts/ensure-packages.ts';
import { startCountingBackend, startFileBackend } from './cache/backend.ts';
import { type CachePeer, nginxCache, sallyportWith, varnish } from './cache/peers.ts';
import { findFreePort, readUsage, startPinned, stopProcess, waitForPort } from './process.ts';
import { machineNote, publish } from './report.ts';
import { median } from './statistics.ts';
import { CORES, makeWorkplace, writeInto } from './workplace.ts';
import { runLoad } from './wrk.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    duration: { type: 'string', default: '4' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const seconds = Number(options.duration);
const CONNECTIONS = 32;
const GOAL = { hit: 1, hitAtMost: 1.3, missMicroseconds: 3 };

ensureCommands(['taskset', 'wrk', 'nginx', 'varnishd']);
const workplace = makeWorkplace();
const backendPort = await startFileBackend(workplace);

/** A cache that runs, and what it costs. */
interface Running {
  readonly name: string;
  readonly origin: string;
  readonly pid: number;
  stop(): Promise<void>;
}

async function start(peer: CachePeer, port = backendPort): Promise<Running> {
  const folder = path.join(workplace, `${peer.name.replaceAll(/\W+/g, '-')}-${process.hrtime.bigint()}`);
  mkdirSync(folder);
  const own = await findFreePort();
  const errorFile = path.join(folder, 'stderr');
  const child = startPinned(
    CORES.proxy,
    peer.prepare({ folder, port: own, adminPort: await findFreePort(), backendPort: port }),
    errorFile,
  );
  try {
    await waitForPort(own, child);
    await waitForAnswer(`http://127.0.0.1:${own}/warm`);
  } catch (error) {
    throw new Error(`${peer.name}: ${(error as Error).message}\n${readFileSync(errorFile, 'utf8')}`);
  }
  return {
    name: peer.name,
    origin: `http://127.0.0.1:${own}`,
    pid: child.pid as number,
    stop: () => stopProcess(child),
  };
}

/** Some take a connection before they are ready to answer. */
async function waitForAnswer(url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answered = await fetch(url).then(
      (response) => response.status < 500,
      () => false,
    );
    if (answered) return;
    await wait(100);
  }
  throw new Error('answers nothing');
}

/** One after the other, so that no two find the same port free. */
async function startAll(peers: readonly CachePeer[]): Promise<Running[]> {
  const running: Running[] = [];
  for (const peer of peers) running.push(await start(peer));
  return running;
}

interface Sample {
  readonly cpu: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

async function sample({ name, origin, pid }: Running, target: string, script?: string): Promise<Sample> {
  const before = readUsage(pid).cpuMicroseconds;
  const load = {
    url: origin + target,
    connections: CONNECTIONS,
    seconds,
    core: CORES.load,
    ...(script && { script }),
  };
  const result = await runLoad(load).catch((error: Error) => {
    throw new Error(`${name}, ${target}: ${error.message}`);
  });
  if (result.failures > 0 || result.requests === 0) throw new Error(`${name}: ${result.failures} failures`);
  const cpu = (readUsage(pid).cpuMicroseconds - before) / result.requests;
  return { cpu, perSecond: result.requests / result.seconds, p50: result.p50Ms, p99: result.p99Ms };
}

/** Asks all in turn, each round beginning with another one. The first round warms up. */
async function compare(running: readonly Running[], target: string, script?: string): Promise<Sample[][]> {
  const samples = running.map((): Sample[] => []);
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const i = (round + 1 + turn) % running.length;
      const taken = await sample(running[i] as Running, target, script);
      if (round >= 0) samples[i]?.push(taken);
    }
  }
  return samples;
}

const middle = (samples: readonly Sample[], pick: (one: Sample) => number): number =>
  median(samples.map(pick));
const ratioOf = (samples: readonly Sample[], base: readonly Sample[]): number =>
  median(samples.map(({ cpu }, i) => cpu / (base[i]?.cpu ?? Number.NaN)));

const lines: string[] = [];
const verdict = (value: number, goal: number, atMost = goal): string =>
  value <= goal ? 'met' : value <= atMost ? 'within what is accepted' : 'MISSED';

async function measureHits(): Promise<void> {
  const running = await startAll([nginxCache, varnish, sallyportWith('sallyport', {})]);
  for (const [target, what] of [
    ['/1k', '1 KiB'],
    ['/64k', '64 KiB'],
  ] as const) {
    const all = await compare(running, target);
    lines.push(`## A hit of ${what}`, '', '| | CPU µs/request | × nginx | requests/s | p50 ms | p99 ms |');
    lines.push('| --- | --: | --: | --: | --: | --: |');
    for (const [i, { name }] of running.entries()) {
      const samples = all[i] as Sample[];
      const cells = [
        name,
        middle(samples, ({ cpu }) => cpu).toFixed(1),
        ratioOf(samples, all[0] as Sample[]).toFixed(2),
        middle(samples, ({ perSecond }) => perSecond).toFixed(0),
        middle(samples, ({ p50 }) => p50).toFixed(2),
        middle(samples, ({ p99 }) => p99).toFixed(2),
      ];
      lines.push(`| ${cells.join(' | ')} |`);
    }
    const ratio = ratioOf(all[2] as Sample[], all[0] as Sample[]);
    lines.push(
      '',
      `Goal: ${GOAL.hit} × nginx, at most ${GOAL.hitAtMost}: ${verdict(ratio, GOAL.hit, GOAL.hitAtMost)}.`,
      '',
    );
  }
  await Promise.all(running.map((one) => one.stop()));
}

/** A different path each time, whatever the connection. */
const UNIQUE = `local n = math.random(1e9)
request = function() n = n + 1; return wrk.format(nil, wrk.path .. n) end
`;

async function measureMisses(): Promise<void> {
  const running = await startAll([sallyportWith('plain', undefined), sallyportWith('with cache', {})]);
  const script = writeInto(workplace, 'unique.lua', UNIQUE);
  lines.push(
    '## What a miss costs beside the plain proxied request',
    '',
    '| | plain, µs | with cache, µs | added, µs |',
  );
  lines.push('| --- | --: | --: | --: |');
  for (const [target, what] of [
    ['/never/', 'that must not be stored'],
    ['/fresh/', 'that is stored'],
  ] as const) {
    const [plain, cached] = (await compare(running, target, script)) as [Sample[], Sample[]];
    const added = median(cached.map(({ cpu }, i) => cpu - (plain[i]?.cpu ?? Number.NaN)));
    const cells = [middle(plain, ({ cpu }) => cpu), middle(cached, ({ cpu }) => cpu), added].map((us) =>
      us.toFixed(1),
    );
    lines.push(`| ${what} | ${cells.join(' | ')} |`);
  }
  lines.push('', `Goal: ${GOAL.missMicroseconds} µs.`, '');
  await Promise.all(running.map((one) => one.stop()));
}

async function measureCrowd(): Promise<void> {
  const backend = await startCountingBackend(100);
  const running = await start(sallyportWith('sallyport', {}), backend.port);
  const ask = async (): Promise<void> => void (await (await fetch(`${running.origin}/hot`)).text());
  await ask();
  await wait(1500);
  const before = backend.requests;
  await Promise.all(Array.from({ length: 100 }, ask));
  const asked = backend.requests - before;
  lines.push(
    `100 requests at once for what has expired: ${asked} to the service (goal 1: ${verdict(asked, 1)}).`,
    '',
  );
  await running.stop();
  backend.close();
}

async function measureTurnover(): Promise<void> {
  const script = writeInto(
    workplace,
    'turnover.lua',
    'request = function() return wrk.format(nil, wrk.path .. math.random(50000)) end\n',
  );
  const running = await start(sallyportWith('sallyport', {}, '16MiB'));
  const steady: Sample[] = [];
  const turning: Sample[] = [];
  for (let round = -1; round < rounds; round++) {
    const calm = await sample(running, '/1k');
    const busy = await sample(running, '/brief/', script);
    if (round >= 0) {
      steady.push(calm);
      turning.push(busy);
    }
  }
  const [calm, busy] = [steady, turning].map((samples) => middle(samples, ({ p99 }) => p99).toFixed(2));
  lines.push(
    `p99 of hits: ${calm} ms; of 50,000 paths that expire each second in 16 MiB, which evicts: ${busy} ms.`,
    '',
  );
  await running.stop();
}

await measureHits();
await measureMisses();
await measureCrowd();
await measureTurnover();
lines.push(`${rounds} rounds of ${seconds} s each, interleaved. ${machineNote()}`, '');
publish('cache', lines.join('\n'), options.write);
process.exit();
