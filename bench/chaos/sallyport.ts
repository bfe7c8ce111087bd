import { copyFileSync, renameSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { Dnsmasq } from '../../test/support/dnsmasq.ts';
import { RedisServer } from '../../test/support/redis-server.ts';
import { findFreePort, startProcess, stopProcess, waitForPort } from '../process.ts';
import { makeCertificate, makeSubfolder, writeInto } from '../workplace.ts';
import type { HeldMemory } from './memory-probe.ts';
import { childrenOf } from './process-state.ts';
import type { Services, Subject } from './subject.ts';

const root = path.resolve(import.meta.dirname, '../..');
const OPEN_FILES = 1024;
const NAME = 'service.test';

/** Starts the gateway with so many workers. */
export async function startSallyport(
  workers: number,
  services: Services,
  workplace: string,
): Promise<Subject> {
  const folder = makeSubfolder(workplace, `sallyport-${workers}`);
  const redis = await RedisServer.start();
  const named = (service: number) => ({ records: [`${NAME},${services.named[service]?.split(':')[0]},1`] });
  const dns = await Dnsmasq.start(named(0));
  const [port, securePort, status] = [await findFreePort(), await findFreePort(), await findFreePort()];
  const certificates = ['a', 'b'].map((name) => makeCertificate(makeSubfolder(folder, name)));
  const tls = { certFile: path.join(folder, 'cert.pem'), keyFile: path.join(folder, 'key.pem') };
  const ports = { port, securePort, status };
  const context = { folder, ports, services, redis: redis.url, dns: dns.server, tls };
  let changes = 0;

  const writeConfig = (): void =>
    replace(folder, 'sallyport.json', JSON.stringify(configuration(context, changes)));
  const writeCode = (): void => replace(folder, 'mark.ts', codeOf(changes));
  const changeCertificate = (): void => {
    const { certFile, keyFile } = certificates[changes++ % 2] as (typeof certificates)[number];
    // The key first: whoever reads in between finds that they do not belong together, and looks again.
    for (const [from, to] of [
      [keyFile, tls.keyFile],
      [certFile, tls.certFile],
    ] as const) {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    }
  };
  changeCertificate();
  writeCode();
  writeConfig();
  // Short, since the path of a socket file has little room.
  const probes = makeSubfolder(workplace, `p${workers}`);
  const child = startProcess(
    {
      file: 'prlimit',
      args: [
        `--nofile=${OPEN_FILES}:${OPEN_FILES}`,
        process.execPath,
        ...['--expose-gc', '--import', path.join(import.meta.dirname, 'memory-probe.ts')],
        ...[path.join(root, 'dist/cli.js'), 'start', '--config', path.join(folder, 'sallyport.json')],
        ...['--workers', String(workers)],
      ],
      env: { NODE_ENV: 'production', PROBES: probes },
      stdout: path.join(folder, 'gateway.log'),
    },
    path.join(folder, 'errors.log'),
  );
  for (const each of [port, status]) await waitForPort(each, child);
  const reload = (): void => void child.kill('SIGHUP');
  return {
    name: workers === 1 ? 'sallyport, one process' : `sallyport, ${workers} workers`,
    port,
    securePort,
    child,
    reload() {
      changes++;
      writeConfig();
      reload();
    },
    ...(workers > 1 && { workers: () => childrenOf(child.pid as number, 'sallyport: worker') }),
    more: {
      changeCode() {
        changes++;
        writeCode();
        reload();
      },
      changeCertificate,
      changeName: (service) => dns.resume(named(service)),
      killRedis: () => redis.kill(),
      startRedis: () => redis.resume(),
      tooMany: OPEN_FILES * (workers + 1),
      readGauges: () => readGauges(status),
      readHeldMemory: () => readHeldMemory(path.join(probes, `${child.pid}.sock`)),
    },
    async close() {
      await stopProcess(child, 40_000);
      await Promise.all([redis.close(), dns.close()]);
    },
  };
}

interface Context {
  readonly folder: string;
  readonly ports: { readonly port: number; readonly securePort: number; readonly status: number };
  readonly services: Services;
  readonly redis: string;
  readonly dns: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string };
}

function configuration({ folder, ports, services, redis, dns, tls }: Context, changes: number): object {
  const limit = { limit: 10_000_000, window: '1m', key: 'ip' };
  const settings = {
    timeouts: { connect: '2s', response: '5s' },
    health: {
      active: { path: '/healthz', interval: '500ms', timeout: '1s' },
      passive: { ejectFor: '1s' },
    },
    retries: { max: 1, on: ['connect-error', 502, 503, 504], budget: '20%' },
  };
  const namedPort = Number(services.named[0]?.split(':')[1]);
  return {
    listeners: [
      { host: '127.0.0.1', port: ports.port },
      { host: '127.0.0.1', port: ports.securePort, tls: { certificates: [tls] } },
    ],
    admin: { host: '127.0.0.1', port: 0, token: 'bench' },
    status: { host: '127.0.0.1', port: ports.status },
    dataDir: path.join(folder, 'data'),
    redis: { url: redis },
    customPolicies: { 'bench/mark': './mark.ts' },
    upstreams: {
      service: { targets: services.plain.map((address) => `http://${address}`), ...settings },
      named: {
        discovery: { dns: { name: NAME, port: namedPort, servers: [dns], refresh: '1s' } },
        ...settings,
      },
    },
    policies: ['bench/mark', { headers: { response: { set: { 'x-change': String(changes) } } } }],
    routes: [
      { id: 'limited', path: '/limited/*', upstream: 'service', policies: [{ 'rate-limit': limit }] },
      { id: 'named', path: '/named/*', upstream: 'named' },
      { id: 'all', path: '/*', upstream: 'service' },
    ],
  };
}

function codeOf(changes: number): string {
  return `import { definePolicy } from 'sallyport';
import { z } from 'zod';
export default definePolicy({
  name: 'bench/mark',
  options: z.object({}),
  create: () => ({
    onResponse(_, head) {
      head.headers.set('x-code', '${changes}');
    },
  }),
});
`;
}

/** In one step, as an editor or a deployment does. */
function replace(folder: string, name: string, content: string): void {
  writeInto(folder, `${name}.new`, content);
  renameSync(path.join(folder, `${name}.new`), path.join(folder, name));
}

/** Gauges of what is under way or in use. */
const GAUGES =
  /^(gateway_open_connections|gateway_listener_connections|gateway_active_requests|gateway_upstream_active_requests|gateway_detached_requests|gateway_connections_waiting|gateway_snapshots|gateway_workers|gateway_buffered_bytes|gateway_timers)(\{[^}]*\})? (\S+)$/gm;

async function readGauges(status: number): Promise<Record<string, number>> {
  const response = await fetch(`http://127.0.0.1:${status}/metrics`, { headers: { connection: 'close' } });
  const text = await response.text();
  return Object.fromEntries(
    [...text.matchAll(GAUGES)].map(([, name, labels = '', value]) => [name + labels, Number(value)]),
  );
}

function readHeldMemory(probe: string): Promise<HeldMemory> {
  return new Promise((resolve, reject) => {
    let text = '';
    connect(probe)
      .on('error', reject)
      .on('data', (chunk) => {
        text += chunk;
      })
      .on('end', () => resolve(JSON.parse(text) as HeldMemory));
  });
}
