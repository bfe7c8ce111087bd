import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Command, findFreePort, startPinned, waitForPort } from '../process.ts';
import { CORES, writeInto } from '../workplace.ts';

/**
 * Starts an nginx behind the caches: `/1k` and `/64k` for an hour, `/brief` for a second, `/never` not to be stored. What may
 * be stored says that it is for all, since requests have a cookie.
 */
export async function startFileBackend(workplace: string): Promise<number> {
  const folder = path.join(workplace, 'cache-backend');
  mkdirSync(folder);
  const port = await findFreePort();
  writeInto(folder, '1k', Buffer.alloc(1024, 'x'));
  writeInto(folder, '64k', Buffer.alloc(64 * 1024, 'x'));
  const config = writeInto(
    folder,
    'nginx.conf',
    `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    default_type application/json;
    root ${folder};
    location / { add_header Cache-Control "public, max-age=3600"; }
    location /brief { add_header Cache-Control "public, max-age=1"; return 200 '{"id":"ord_84f1c7","status":"shipped"}'; }
    location /fresh { add_header Cache-Control "public, max-age=3600"; return 200 '{"id":"ord_84f1c7","status":"shipped"}'; }
    location /never { add_header Cache-Control "no-store"; return 200 '{"id":"ord_84f1c7","status":"shipped"}'; }
  }
}
`,
  );
  const command: Command = {
    file: 'nginx',
    args: ['-p', folder, '-c', config, '-e', path.join(folder, 'error.log')],
  };
  await waitForPort(port, startPinned(CORES.load, command, path.join(folder, 'stderr')));
  return port;
}

/** A service in this process, which takes a while, and counts what it is asked. */
export interface CountingBackend {
  readonly port: number;
  readonly requests: number;
  close(): void;
}

/** Starts a service whose answers are fresh for a second. */
export function startCountingBackend(delayMs: number): Promise<CountingBackend> {
  let requests = 0;
  const server = createServer(async (_, response) => {
    requests++;
    await wait(delayMs);
    response.writeHead(200, { 'cache-control': 'public, max-age=1' }).end('{"n":1}');
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      resolve({
        port,
        get requests() {
          return requests;
        },
        close: () => server.closeAllConnections(),
      });
    });
  });
}
