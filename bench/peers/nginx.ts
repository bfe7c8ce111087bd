import path from 'node:path';
import type { Peer, Setup } from '../peer.ts';
import { writeInto } from '../workplace.ts';

/** nginx: one worker, buffers large enough that no body touches the disk, a write for each line of its log. */
export const nginx: Peer = nginxWith('nginx', '');

/** The same, with its log written in batches, as sallyport does. */
export const nginxBufferedLog: Peer = nginxWith('nginx-buffered-log', 'buffer=64k flush=1s');

function nginxWith(name: string, logOptions: string): Peer {
  return {
    name,
    commands: ['nginx'],
    isNpmPackage: false,
    prepare(setup) {
      const config = writeInto(setup.folder, 'nginx.conf', configOf(setup, logOptions));
      return {
        file: 'nginx',
        args: ['-p', setup.folder, '-c', config, '-e', path.join(setup.folder, 'error.log')],
      };
    },
  };
}

function configOf(setup: Setup, logOptions: string): string {
  const { folder, port, backendPort, isObserved, tls, routes } = setup;
  const locations = Array.from(
    { length: routes },
    (_, n) => `    location /routes/${n}/ { proxy_pass http://backend; }`,
  );
  return `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 16384; }
http {
  log_format full '$remote_addr - [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_id $request_time $upstream_response_time $upstream_addr';
  access_log ${isObserved ? `${folder}/access.log full ${logOptions}` : 'off'};
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  client_body_buffer_size 64k;
  proxy_max_temp_file_size 0;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} ${tls ? 'ssl ' : ''}backlog=4096;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
${tls ? `    ssl_certificate ${tls.certFile};\n    ssl_certificate_key ${tls.keyFile};\n    ssl_protocols TLSv1.2 TLSv1.3;` : ''}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header Via "1.1 nginx";
    proxy_set_header X-Request-Id $request_id;
    add_header X-Request-Id $request_id;
    location / { proxy_pass http://backend; }
${locations.join('\n')}
  }
}
`;
}
