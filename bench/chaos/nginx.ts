import { renameSync } from 'node:fs';
import path from 'node:path';
import { findFreePort, startProcess, stopProcess, waitForPort } from '../process.ts';
import { makeSubfolder, writeInto } from '../workplace.ts';
import { childrenOf } from './process-state.ts';
import type { Services, Subject } from './subject.ts';

/** Starts nginx with two workers, with the times and the one more attempt that the gateway has. It has no active checks. */
export async function startNginx(services: Services, workplace: string): Promise<Subject> {
  const folder = makeSubfolder(workplace, 'nginx');
  const port = await findFreePort();
  const file = path.join(folder, 'nginx.conf');
  let changes = 0;
  const write = (): void => {
    writeInto(folder, 'nginx.conf.new', configOf(folder, port, services, changes));
    renameSync(`${file}.new`, file);
  };
  write();
  const child = startProcess(
    { file: 'nginx', args: ['-p', folder, '-c', file, '-e', path.join(folder, 'error.log')] },
    path.join(folder, 'complaints.log'),
  );
  await waitForPort(port, child);
  return {
    name: 'nginx, 2 workers',
    port,
    child,
    reload() {
      changes++;
      write();
      child.kill('SIGHUP');
    },
    workers: () => childrenOf(child.pid as number, 'nginx: worker process'),
    close: () => stopProcess(child),
  };
}

function configOf(folder: string, port: number, { plain }: Services, changes: number): string {
  const servers = plain.map((address) => `server ${address} max_fails=1 fail_timeout=1s;`);
  return `daemon off;
worker_processes 2;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  upstream service { ${servers.join(' ')} keepalive 64; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    add_header X-Change ${changes};
    proxy_http_version 1.1;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $http_host;
    proxy_buffering off;
    proxy_connect_timeout 2s;
    proxy_read_timeout 5s;
    proxy_next_upstream error timeout http_502 http_503 http_504;
    proxy_next_upstream_tries 2;
    location / { proxy_pass http://service; }
  }
}
`;
}
