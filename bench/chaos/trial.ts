import { fork } from 'node:child_process';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { makeSubfolder } from '../workplace.ts';
import type { ClientPlace, ClientResult, Failure } from './client.ts';
import { disturbancesOf } from './disturbances.ts';
import { Fleet } from './fleet.ts';
import { type Cause, findCause, type Incident } from './incidents.ts';
import type { HeldMemory } from './memory-probe.ts';
import { childrenOf, type ProcessState, readState } from './process-state.ts';
import type { Services, Subject } from './subject.ts';

export interface TrialOptions {
  readonly name: string;
  readonly start: (services: Services, workplace: string) => Promise<Subject>;
  readonly workplace: string;
  readonly ms: number;
  /** How long one disturbance takes, about. */
  readonly stepMs: number;
}

/** A failure and what it is due to. */
export interface Judged extends Failure {
  readonly cause: Cause | undefined;
  /** What was being done when it ended. */
  readonly during: string;
}

/** How a subject stands when all is calm. */
export interface Calm {
  readonly master: ProcessState;
  readonly residentMiB: number;
  readonly descriptors: number;
  readonly processes: number;
  /** What the gateway tells of itself; `undefined` of who does not. */
  readonly own: { readonly held: HeldMemory; readonly timers: number } | undefined;
}

export interface Outcome {
  readonly name: string;
  readonly seconds: number;
  readonly reloads: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly failures: readonly Judged[];
  /** Requests that must not be repeated and that reached services twice. */
  readonly doubled: readonly string[];
  /** How often each thing was done. */
  readonly done: Readonly<Record<string, number>>;
  /** After each round. */
  readonly calms: readonly Calm[];
  /** Before anybody has asked. */
  readonly gaugesBefore: Readonly<Record<string, number>> | undefined;
  /** When nobody has asked for a while; `undefined` of who does not tell. */
  readonly gauges: Readonly<Record<string, number>> | undefined;
}

const RELOAD_INTERVAL_MS = 1000;
const SETTLE_MS = 3000;
/** Longer than connections to targets stay idle, and than workers that were replaced may take to end. */
const END_MS = 25_000;

interface Period {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Does everything to one subject that can be done to it, round after round, while clients ask. */
export async function runTrial({ name, start, workplace, ms, stepMs }: TrialOptions): Promise<Outcome> {
  const folder = makeSubfolder(workplace, `services-${name.replaceAll(/\W+/g, '-')}`);
  const fleet = await Fleet.start(folder);
  const subject = await start(fleet.services, workplace);
  const gaugesBefore = await subject.more?.readGauges();
  const clients = startClients(subject);
  await wait(SETTLE_MS);
  let reloads = 0;
  const reloading = setInterval(() => {
    reloads++;
    subject.reload();
  }, RELOAD_INTERVAL_MS);
  const incidents: Incident[] = [];
  const periods: Period[] = [];
  const calms: Calm[] = [];
  const startedAt = Date.now();
  while (Date.now() - startedAt < ms) {
    for (const { name: period, run } of disturbancesOf(subject)) {
      const from = Date.now();
      await run({ subject, fleet, incidents, stepMs });
      periods.push({ name: period, from, to: Date.now() });
      const { exitCode, signalCode } = subject.child;
      if (exitCode !== null || signalCode !== null)
        throw new Error(`${subject.name} ended with ${exitCode ?? signalCode} after '${period}'`);
    }
    await wait(SETTLE_MS);
    calms.push(await readCalm(subject));
  }
  clearInterval(reloading);
  await wait(SETTLE_MS);
  const { counts, failures } = await clients.stop();
  const seconds = (Date.now() - startedAt) / 1000;
  await wait(subject.more === undefined ? 0 : END_MS);
  const gauges = await subject.more?.readGauges();
  await subject.close();
  await fleet.close();
  return {
    name: subject.name,
    seconds,
    reloads,
    counts,
    failures: failures.map((failure) => ({
      ...failure,
      cause: findCause(failure, incidents),
      during: periods.findLast(({ from }) => from <= failure.to)?.name ?? 'the start',
    })),
    doubled: fleet.findDoubled(),
    done: Object.fromEntries(
      periods.map(({ name: period }) => [period, periods.filter((each) => each.name === period).length]),
    ),
    calms,
    gaugesBefore,
    gauges,
  };
}

function startClients({ port, securePort, more }: Subject): { stop(): Promise<ClientResult> } {
  const place: ClientPlace = { port, securePort, hasMore: more !== undefined };
  const child = fork(path.join(import.meta.dirname, 'client.ts'), [JSON.stringify(place)]);
  const result = new Promise<ClientResult>((resolve) =>
    child.once('message', (message) => resolve(message as ClientResult)),
  );
  return {
    stop() {
      child.send('stop');
      return result;
    },
  };
}

async function readCalm({ child, more }: Subject): Promise<Calm> {
  const own =
    more === undefined
      ? undefined
      : { held: await more.readHeldMemory(), timers: (await more.readGauges()).gateway_timers ?? 0 };
  const pid = child.pid as number;
  const master = readState(pid);
  const all = [master, ...childrenOf(pid).map(readState)];
  return {
    master,
    residentMiB: all.reduce((sum, { residentMiB }) => sum + residentMiB, 0),
    descriptors: all.reduce((sum, { descriptors }) => sum + descriptors, 0),
    processes: all.length,
    own,
  };
}
