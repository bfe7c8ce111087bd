import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Fleet, Service } from './fleet.ts';
import type { Incident } from './incidents.ts';
import { remotePortsOf } from './process-state.ts';
import type { MoreDisturbances, Subject } from './subject.ts';

/** What is disturbed. */
export interface Scene {
  readonly subject: Subject;
  readonly fleet: Fleet;
  readonly incidents: Incident[];
  /** How long one disturbance takes. */
  readonly stepMs: number;
}

/** Something that happens to a proxy or to what it needs. */
export interface Disturbance {
  readonly name: string;
  run(scene: Scene): Promise<void>;
}

/** How long a process stands still so that what it holds can be read. */
const READING_MS = 20;
const EACH_MS = 1000;
const HUNG_MS = 6500;

const calm: Disturbance = { name: 'nothing', run: ({ stepMs }) => wait(stepMs) };

const workersKilled: Disturbance = {
  name: 'workers killed',
  async run({ subject, incidents, stepMs }) {
    const until = Date.now() + stepMs;
    while (Date.now() < until) {
      // The oldest, so that one that has just come in its place is not the only one that serves.
      const pid = subject.workers?.()[0];
      if (pid !== undefined) await killWorker(pid, incidents);
      await wait(stepMs / 2);
    }
  },
};

async function killWorker(pid: number, incidents: Incident[]): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await wait(READING_MS);
  const localPorts = remotePortsOf(pid);
  // Before that: clients may hear of it before this process goes on.
  const at = Date.now();
  process.kill(pid, 'SIGKILL');
  incidents.push({ kind: 'worker killed', at, localPorts });
}

const targetsKilled: Disturbance = {
  name: 'targets killed',
  run: (scene) =>
    oneAfterTheOther(scene, async (service, eachMs) => {
      const at = Date.now();
      await service.stop('SIGKILL');
      const until = Date.now();
      scene.incidents.push({ kind: 'target killed', at, until, held: service.read().held });
      await wait(eachMs / 2);
      await service.start();
      await wait(eachMs / 2);
    }),
};

const targetsHung: Disturbance = {
  name: 'targets hung',
  run: (scene) =>
    oneAfterTheOther(scene, async (service, eachMs) => {
      const before = service.read();
      const known = new Set(before.given);
      const at = Date.now();
      service.signal('SIGSTOP');
      // Longer than the time for an answer.
      await wait(Math.max(eachMs / 2, HUNG_MS));
      service.signal('SIGCONT');
      const until = Date.now();
      await wait(eachMs / 2);
      const given = service.read().given.filter((id) => !known.has(id));
      scene.incidents.push({ kind: 'target hung', at, until, held: new Set([...before.held, ...given]) });
    }),
};

const targetsRestarted: Disturbance = {
  name: 'targets restarted',
  run: (scene) =>
    oneAfterTheOther(scene, async (service, eachMs) => {
      await service.stop('SIGTERM');
      await service.start();
      await wait(eachMs / 2);
    }),
};

async function oneAfterTheOther(
  { fleet, stepMs }: Scene,
  disturb: (service: Service, eachMs: number) => Promise<void>,
): Promise<void> {
  for (const service of fleet.plain) {
    await disturb(service, Math.max(EACH_MS, stepMs / fleet.plain.length));
    // Whoever was out is in again before the next one goes.
    await wait(EACH_MS);
  }
}

const codeChanges: Disturbance = {
  name: 'code changed each second',
  run: (scene) =>
    eachSecond(scene, ({ changeCode }) => {
      changeCode();
      scene.incidents.push({ kind: 'code changed', at: Date.now() });
    }),
};

const certificatesReplaced: Disturbance = {
  name: 'certificates replaced each second',
  run: (scene) => eachSecond(scene, ({ changeCertificate }) => changeCertificate()),
};

async function eachSecond(
  { subject, stepMs }: Scene,
  change: (more: MoreDisturbances) => void,
): Promise<void> {
  const until = Date.now() + stepMs;
  while (Date.now() < until) {
    change(subject.more as MoreDisturbances);
    await wait(1000);
  }
}

const nameChanges: Disturbance = {
  name: 'DNS changed',
  async run({ subject, fleet, stepMs }) {
    const more = subject.more as MoreDisturbances;
    for (const [next, former] of [
      [1, 0],
      [0, 1],
    ] as const) {
      await more.changeName(next);
      // The answer from before is good for a second, and asked for again.
      await wait(Math.max(3000, stepMs / 3));
      await fleet.named[former]?.stop('SIGTERM');
      await fleet.named[former]?.start();
    }
  },
};

const redisKilled: Disturbance = {
  name: 'Redis killed',
  async run({ subject, stepMs }) {
    const more = subject.more as MoreDisturbances;
    await more.killRedis();
    await wait(stepMs / 2);
    await more.startRedis();
    await wait(stepMs / 2);
  },
};

const descriptorsExhausted: Disturbance = {
  name: 'descriptors exhausted',
  async run({ subject, incidents, stepMs }) {
    const more = subject.more as MoreDisturbances;
    const at = Date.now();
    const flood = fork(path.join(import.meta.dirname, 'flood.ts'), [
      String(subject.port),
      String(more.tooMany),
    ]);
    await wait(stepMs);
    await endFlood(flood);
    incidents.push({ kind: 'descriptors short', at, until: Date.now() });
    await wait(1000);
  },
};

async function endFlood(flood: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => flood.once('exit', resolve));
  flood.kill('SIGKILL');
  await exited;
}

/** Finds what can be done to a subject. */
export function disturbancesOf({ workers, more }: Subject): readonly Disturbance[] {
  return [
    calm,
    ...(workers === undefined ? [] : [workersKilled]),
    targetsKilled,
    targetsHung,
    targetsRestarted,
    ...(more === undefined
      ? []
      : [codeChanges, certificatesReplaced, nameChanges, redisKilled, descriptorsExhausted]),
  ];
}
