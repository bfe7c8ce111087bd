import { renameSync } from 'node:fs';
import path from 'node:path';
import { findFreePort, startProcess, stopProcess, waitForPort } from '../process.ts';
import { makeSubfolder, writeInto } from '../workplace.ts';
import type { Services, Subject } from './subject.ts';

/** Starts HAProxy as a master and its worker, with the checks, times and the one more attempt that the gateway has. */
export async function startHaproxy(services: Services, workplace: string): Promise<Subject> {
  const folder = makeSubfolder(workplace, 'haproxy');
  const port = await findFreePort();
  const file = path.join(folder, 'haproxy.cfg');
  let changes = 0;
  const write = (): void => {
    writeInto(folder, 'haproxy.cfg.new', configOf(folder, port, services, changes));
    renameSync(`${file}.new`, file);
  };
  write();
  const child = startProcess(
    { file: 'haproxy', args: ['-W', '-db', '-f', file] },
    path.join(folder, 'errors.log'),
  );
  await waitForPort(port, child);
  return {
    name: 'haproxy',
    port,
    child,
    reload() {
      changes++;
      write();
      child.kill('SIGUSR2');
    },
    close: () => stopProcess(child),
  };
}

function configOf(folder: string, port: number, { plain }: Services, changes: number): string {
  const servers = plain.map((address, i) => `  server s${i} ${address} check inter 500ms fall 1 rise 1`);
  return `global
  nbthread 2
  maxconn 4096
  stats socket ${folder}/socket mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 5s
  timeout tunnel 60s
  timeout check 1s
  retries 1
  option redispatch 1
  retry-on conn-failure empty-response response-timeout 502 503 504
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  http-request disable-l7-retry unless METH_GET
  http-response set-header X-Change ${changes}
  default_backend service
backend service
  option httpchk GET /healthz
  http-reuse safe
${servers.join('\n')}
`;
}
