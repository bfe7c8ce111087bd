import path from 'node:path';
import { type Chain, fieldsOf, makeChain } from './chain.ts';
import { type Contestant, startContestant } from './contestant.ts';
import type { Peer } from './peer.ts';
import { type Scenario, scriptOf } from './scenarios.ts';
import { type Certificate, CORES, writeInto } from './workplace.ts';
import { type LoadOptions, type LoadResult, runLoad } from './wrk.ts';

/** What one round saw of one contestant. */
export interface Sample {
  readonly cpuMicrosecondsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentMiB: number;
  readonly failures: number;
}

/** The samples of one contestant, one a round. */
export interface Row {
  readonly label: string;
  readonly samples: readonly Sample[];
}

/** What all scenarios of a run share. */
export interface RunOptions {
  readonly workplace: string;
  readonly backendPort: number;
  readonly certificate: Certificate;
  readonly rounds: number;
  readonly seconds: number;
}

const CONNECTIONS = 32;
const CHAIN: Chain = makeChain();

// Fewer leave code of a JIT half compiled: 5,000 look 40 % slower.
const WARM_UP_REQUESTS = 45_000;

/**
 * Runs a scenario: 1. starts all contestants, 2. warms each up, 3. asks them in turn, round after round, each round
 * beginning with another one, so that what else the machine does meets all alike.
 */
export async function measureScenario(
  scenario: Scenario,
  peers: readonly Peer[],
  run: RunOptions,
): Promise<Row[]> {
  const contestants: Contestant[] = [];
  try {
    for (const routes of scenario.routes) {
      for (const peer of peers) contestants.push(await start(scenario, peer, routes, run));
    }
    for (const contestant of contestants) await warmUp(scenario, contestant, run);
    const samples = contestants.map((): Sample[] => []);
    for (let round = 0; round < run.rounds; round++) {
      for (let turn = 0; turn < contestants.length; turn++) {
        const i = (round + turn) % contestants.length;
        samples[i]?.push(await takeSample(scenario, contestants[i] as Contestant, run));
      }
    }
    return contestants.map(({ label }, i) => ({ label, samples: samples[i] as Sample[] }));
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

function start(scenario: Scenario, peer: Peer, routes: number, run: RunOptions): Promise<Contestant> {
  const tls = scenario.isTls ? run.certificate : undefined;
  const chain = scenario.isGuarded ? CHAIN : undefined;
  return startContestant(peer, { ...run, isObserved: scenario.isObserved, tls, routes, chain });
}

async function warmUp(scenario: Scenario, contestant: Contestant, run: RunOptions): Promise<void> {
  const url = `${contestant.origin}/orders/84`;
  const fields = scenario.isGuarded ? fieldsOf(CHAIN) : {};
  for (let requests = 0; requests < WARM_UP_REQUESTS; ) {
    const result = await runLoad({ url, connections: CONNECTIONS, seconds: 2, core: CORES.load, fields });
    if (result.requests === 0) throw new Error(`${contestant.label} answers nothing`);
    requests += result.requests;
  }
  if (scenario.warmUpSeconds > 0) await runLoad(loadOf(scenario, contestant, run, scenario.warmUpSeconds));
}

function loadOf(scenario: Scenario, contestant: Contestant, run: RunOptions, seconds: number): LoadOptions {
  const text = scriptOf(scenario, contestant.routes);
  const script = text && writeInto(run.workplace, `${scenario.name}-${contestant.routes}.lua`, text);
  return {
    url: contestant.origin + scenario.path,
    connections: CONNECTIONS,
    seconds,
    core: CORES.load,
    fields: scenario.isGuarded ? fieldsOf(CHAIN) : {},
    ...(script && { script: path.resolve(script) }),
  };
}

async function takeSample(scenario: Scenario, contestant: Contestant, run: RunOptions): Promise<Sample> {
  const load = loadOf(scenario, contestant, run, run.seconds);
  const before = contestant.usage();
  const result = await runLoad(load);
  const after = contestant.usage();
  return sampleOf(result, after.cpuMicroseconds - before.cpuMicroseconds, after.residentMiB);
}

function sampleOf(result: LoadResult, cpuMicroseconds: number, residentMiB: number): Sample {
  return {
    cpuMicrosecondsPerRequest: cpuMicroseconds / result.requests,
    requestsPerSecond: result.requests / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    residentMiB,
    failures: result.failures,
  };
}
