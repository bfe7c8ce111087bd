import path from 'node:path';
import type { Command } from '../process.ts';
import { writeInto } from '../workplace.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** What a cache is set up for. */
export interface CacheSetup {
  /** A folder of its own, empty. */
  readonly folder: string;
  readonly port: number;
  /** For what insists on a second port. */
  readonly adminPort: number;
  readonly backendPort: number;
}

/** A cache under test. All keep what they store in memory, know nothing of cookies and write no log. */
export interface CachePeer {
  readonly name: string;
  prepare(setup: CacheSetup): Command;
}

/** Sallyport as built in dist/. `options` are those of the policy, `undefined` for none. */
export function sallyportWith(name: string, options: object | undefined, memory = '256MiB'): CachePeer {
  return {
    name,
    prepare({ folder, port, adminPort, backendPort }) {
      const config = {
        listeners: [{ host: '127.0.0.1', port }],
        admin: { host: '127.0.0.1', port: adminPort },
        accessLog: false,
        metrics: false,
        dataDir: path.join(folder, 'data'),
        upstreams: { backend: { targets: [`http://127.0.0.1:${backendPort}`] } },
        ...(options !== undefined && { cache: { memory } }),
        routes: [
          {
            id: 'all',
            path: '/*',
            upstream: 'backend',
            ...(options !== undefined && { policies: [{ cache: options }] }),
          },
        ],
      };
      const file = writeInto(folder, 'sallyport.json', JSON.stringify(config));
      return {
        file: process.execPath,
        args: [path.join(root, 'dist/cli.js'), 'start', '--config', file],
        env: { NODE_ENV: 'production' },
      };
    },
  };
}

/** nginx with `proxy_cache` on a file system in memory. */
export const nginxCache: CachePeer = {
  name: 'nginx',
  prepare({ folder, port, backendPort }) {
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
  sendfile on;
  tcp_nopush on;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  proxy_cache_path ${folder}/store keys_zone=main:64m max_size=256m use_temp_path=off;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_cache main;
    proxy_cache_key $scheme$http_host$request_uri;
    proxy_cache_lock on;
    add_header Cache-Status $upstream_cache_status;
    location / { proxy_pass http://backend; }
  }
}
`,
    );
    return { file: 'nginx', args: ['-p', folder, '-c', config, '-e', path.join(folder, 'error.log')] };
  },
};

/** Varnish with `malloc` and its own rules, but for cookies, which would let every request pass. */
export const varnish: CachePeer = {
  name: 'varnish',
  prepare({ folder, port, backendPort }) {
    const vcl = writeInto(
      folder,
      'default.vcl',
      `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${backendPort}"; }
sub vcl_recv { unset req.http.Cookie; }
`,
    );
    const threads = ['-p', 'thread_pools=1', '-p', 'thread_pool_min=40', '-p', 'thread_pool_max=200'];
    return {
      file: 'varnishd',
      args: [
        '-F',
        '-n',
        path.join(folder, 'work'),
        '-a',
        `127.0.0.1:${port}`,
        '-f',
        vcl,
        '-s',
        'malloc,256m',
        ...threads,
      ],
    };
  },
};
