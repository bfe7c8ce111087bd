import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { ensureCommands, findCommand } from '../../scripts/ensure-packages.ts';
import type { TestCertificate } from './certificates.ts';
import { LOOPBACK, reservePort } from './loopback.ts';

/** A real proxy in front of the gateway, with a plain and a TLS port of `LOOPBACK`, which ends with its test. */
export interface FrontProxy {
  readonly port: number;
  readonly tlsPort: number;
}

/** What a proxy in front is configured with. */
export interface FrontProxySetup {
  readonly folder: string;
  readonly port: number;
  readonly tlsPort: number;
  /** Where the gateway listens for what came over either port. */
  readonly gatewayPort: number;
  readonly certificate: TestCertificate;
}

export interface FrontProxyKind {
  readonly name: 'nginx' | 'haproxy';
  /** Writes the configuration and returns the arguments of the command. */
  prepare(setup: FrontProxySetup): Promise<readonly string[]>;
}

/** Starts a proxy in front of a gateway and waits until it takes connections. */
export async function startFrontProxy(
  kind: FrontProxyKind,
  gatewayPort: number,
  certificate: TestCertificate,
): Promise<FrontProxy> {
  ensureCommands([kind.name]);
  const folder = await mkdtemp(join(tmpdir(), `sallyport-${kind.name}-`));
  const [port, tlsPort] = [await reservePort(), await reservePort()];
  const args = await kind.prepare({ folder, port, tlsPort, gatewayPort, certificate });
  const child = spawn(findCommand(kind.name) as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  onTestFinished(async () => {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });
  for (const each of [port, tlsPort]) await untilListening(each, child, () => output);
  return { port, tlsPort };
}

/** nginx, configured as its documentation and most guides tell. */
export const nginx: FrontProxyKind = {
  name: 'nginx',
  async prepare({ folder, port, tlsPort, gatewayPort, certificate }) {
    const file = join(folder, 'nginx.conf');
    await writeFile(
      file,
      `daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  client_max_body_size 64m;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream gateway { server ${LOOPBACK}:${gatewayPort}; keepalive 8; }
  server {
    listen ${LOOPBACK}:${port};
    listen ${LOOPBACK}:${tlsPort} ssl;
    ssl_certificate ${certificate.certFile};
    ssl_certificate_key ${certificate.keyFile};
    location / {
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
    }
  }
}
`,
    );
    return ['-p', folder, '-c', file, '-e', 'stderr'];
  },
};

/** HAProxy, configured as its documentation tells. */
export const haproxy: FrontProxyKind = {
  name: 'haproxy',
  async prepare({ folder, port, tlsPort, gatewayPort, certificate }) {
    const file = join(folder, 'haproxy.cfg');
    const bundle = join(folder, 'bundle.pem');
    await writeFile(bundle, certificate.cert + certificate.key);
    await writeFile(
      file,
      `global
  no strict-limits
  maxconn 100
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend clients
  bind ${LOOPBACK}:${port}
  bind ${LOOPBACK}:${tlsPort} ssl crt ${bundle}
  option forwardfor
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
  http-request set-header X-Forwarded-Port %[dst_port]
  default_backend gateway
backend gateway
  http-reuse always
  server one ${LOOPBACK}:${gatewayPort}
`,
    );
    return ['-db', '-f', file];
  },
};

async function untilListening(port: number, child: ChildProcess, output: () => string): Promise<void> {
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null) throw new Error(`the proxy ended:\n${output()}`);
    await wait(10);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
