import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Peer, Setup } from '../peer.ts';
import { writeInto } from '../workplace.ts';

/** HAProxy: one thread, its log as lines on standard output. */
export const haproxy: Peer = {
  name: 'haproxy',
  commands: ['haproxy'],
  isNpmPackage: false,
  prepare(setup) {
    const config = writeInto(setup.folder, 'haproxy.cfg', configOf(setup));
    return { file: 'haproxy', args: ['-db', '-f', config], stdout: path.join(setup.folder, 'access.log') };
  },
};

function configOf({ folder, port, backendPort, isObserved, tls }: Setup): string {
  const bundle = tls && writeInto(folder, 'bundle.pem', readFileSync(tls.certFile) + readText(tls.keyFile));
  return `global
  nbthread 1
  maxconn 10500
  no strict-limits
${isObserved ? '  log stdout format raw local0' : ''}
defaults
  mode http
${isObserved ? '  log global\n  option httplog' : ''}
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 75s
frontend clients
  bind 127.0.0.1:${port} backlog 4096${bundle ? ` ssl crt ${bundle}` : ''}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  option forwardfor
  http-request set-header X-Forwarded-Proto ${tls ? 'https' : 'http'}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  http-response set-header X-Request-Id %[unique-id]
  default_backend service
backend service
  http-reuse always
  server one 127.0.0.1:${backendPort}
`;
}

function readText(file: string): string {
  return readFileSync(file, 'utf8');
}
