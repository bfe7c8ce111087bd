import path from 'node:path';
import type { Peer, Setup } from '../peer.ts';
import { writeInto } from '../workplace.ts';

/** Caddy, its log as JSON in a file. */
export const caddy: Peer = {
  name: 'caddy',
  commands: ['caddy'],
  isNpmPackage: false,
  prepare(setup) {
    const config = writeInto(setup.folder, 'Caddyfile', configOf(setup));
    return {
      file: 'caddy',
      args: ['run', '--adapter', 'caddyfile', '--config', config],
      env: { XDG_DATA_HOME: setup.folder, XDG_CONFIG_HOME: setup.folder, GOMAXPROCS: '1' },
    };
  },
};

function configOf({ folder, port, backendPort, isObserved, tls }: Setup): string {
  return `{
  admin off
  auto_https off
}
${tls ? 'https' : 'http'}://:${port} {
  bind 127.0.0.1
${tls ? `  tls ${tls.certFile} ${tls.keyFile}` : ''}
${isObserved ? `  log {\n    output file ${path.join(folder, 'access.log')} {\n      roll_disabled\n    }\n  }` : ''}
  header X-Request-Id {http.request.uuid}
  reverse_proxy 127.0.0.1:${backendPort} {
    header_up Via "1.1 caddy"
    header_up X-Request-Id {http.request.uuid}
    transport http {
      keepalive_idle_conns_per_host 64
    }
  }
}
`;
}
