import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type Command, findFreePort, startPinned, waitForPort } from './process.ts';
import { CORES, writeInto } from './workplace.ts';

/** 124 bytes, an answer of an ordinary API. */
export const JSON_BODY =
  '{"id":"ord_84f1c7","status":"shipped","total":149.9,"currency":"EUR","items":3,"customer":"cus_19c2e8a07","paid":true,"n":1}';

/** The fields that every proxy must send on; `/headers` answers with their values, one a line. */
export const FORWARDED_FIELDS = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'via',
  'x-request-id',
];

/**
 * Starts an nginx on the load's core as the service behind all proxies: `/1mib` is a file of that size, `/headers`
 * tells the forwarded fields it got, all else is a small JSON. Returns its port.
 */
export async function startBackend(workplace: string): Promise<number> {
  const folder = path.join(workplace, 'backend');
  mkdirSync(folder);
  const port = await findFreePort();
  writeInto(folder, '1mib', Buffer.alloc(1024 * 1024, 'x'));
  const config = writeInto(folder, 'nginx.conf', backendConfig(folder, port));
  const command: Command = {
    file: 'nginx',
    args: ['-p', folder, '-c', config, '-e', path.join(folder, 'error.log')],
  };
  await waitForPort(port, startPinned(CORES.load, command, path.join(folder, 'stderr')));
  return port;
}

function backendConfig(folder: string, port: number): string {
  // Express Gateway has a name of its own for the request id.
  const variables = FORWARDED_FIELDS.map((name) => `$http_${name.replaceAll('-', '_')}`).join('\\n');
  const ownRequestId = '$http_eg_request_id';
  return `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  client_body_buffer_size 64k;
  sendfile on;
  tcp_nopush on;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    default_type application/json;
    location = /1mib { root ${folder}; }
    location = /headers { return 200 "${variables}${ownRequestId}"; }
    location / { return 200 '${JSON_BODY}'; }
  }
}
`;
}
