import { request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { GatewayProcess } from '../support/gateway-process.ts';
import { ADMIN_TOKEN, type TestConfig } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';

/** A gateway of several processes. */
export interface PoolUnderTest {
  readonly gateway: GatewayProcess;
  readonly url: string;
  /** The address of the admin port. */
  readonly adminUrl: string;
  /** The ids of the processes that serve, by the numbers of the workers. */
  pids(): ReadonlyMap<number, number>;
  /** Kills a worker and gives what waits for the next one in its place. */
  kill(worker: number): { replaced(): Promise<void> };
  /** Asks once, on a connection of its own. */
  ask(path?: string): Promise<Answer>;
  /** Asks the admin API. */
  admin(path: string, method?: string): Promise<Response>;
  metrics(): Promise<string>;
  rewrite(config: TestConfig): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Starts a gateway of `workers` processes, and waits until it listens. */
export async function startWorkerPool(
  config: TestConfig,
  files: Readonly<Record<string, string>> = {},
  workers = 2,
): Promise<PoolUnderTest> {
  const adminPort = await reservePort();
  const complete = (written: TestConfig): TestConfig => ({
    workers,
    drain: { delay: '0s', timeout: '10s' },
    ...written,
    admin: { host: LOOPBACK, port: adminPort },
  });
  const gateway = await GatewayProcess.start(complete(config), files);
  const adminUrl = `http://${LOOPBACK}:${adminPort}`;
  return {
    gateway,
    adminUrl,
    get url() {
      return `http://${LOOPBACK}:${gateway.port}`;
    },
    pids: () => pidsOf(gateway),
    kill(worker) {
      const former = pidsOf(gateway).get(worker) as number;
      process.kill(former, 'SIGKILL');
      const isNext = (line: Record<string, unknown>): boolean =>
        line.worker === worker && line.pid !== former;
      return { replaced: async () => void (await gateway.line('worker started', isNext)) };
    },
    ask: (path = '/') => queryOnce(gateway, path),
    admin: (path, method = 'GET') =>
      fetch(`${adminUrl}${path}`, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } }),
    metrics: async () => (await fetch(`${adminUrl}/metrics`)).text(),
    rewrite: (next) => gateway.rewrite(complete(next)),
  };
}

/** Asks on a connection of its own, so that each worker has its turn. */
export function queryOnce(
  gateway: GatewayProcess,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: LOOPBACK, port: gateway.port, path, headers, agent: false as const };
    request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject).once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .once('error', reject)
      .end();
  });
}

/** Waits until there is no process of this id. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await setTimeout(10);
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Reads the value of a series. */
export function readValue(metrics: string, series: string): number {
  const line = metrics.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

function pidsOf({ lines }: GatewayProcess): Map<number, number> {
  const started = lines.filter(({ msg }) => msg === 'worker started');
  return new Map(started.map(({ worker, pid }) => [worker as number, pid as number]));
}
