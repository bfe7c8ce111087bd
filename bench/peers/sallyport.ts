import path from 'node:path';
import type { Peer, Setup } from '../peer.ts';
import { writeInto } from '../workplace.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** Sallyport as built in dist/. */
export const sallyport: Peer = {
  name: 'sallyport',
  commands: [],
  isNpmPackage: false,
  prepare(setup) {
    const config = writeInto(setup.folder, 'sallyport.json', JSON.stringify(configOf(setup)));
    return {
      file: process.execPath,
      args: [path.join(root, 'dist/cli.js'), 'start', '--config', config],
      env: { NODE_ENV: 'production' },
      stdout: path.join(setup.folder, 'access.log'),
    };
  },
};

function configOf({ port, adminPort, backendPort, isObserved, tls, routes }: Setup): object {
  return {
    listeners: [{ host: '127.0.0.1', port, ...(tls && { tls: { certificates: [tls] } }) }],
    admin: { host: '127.0.0.1', port: adminPort },
    ...(!isObserved && { accessLog: false, metrics: false }),
    upstreams: { backend: { targets: [`http://127.0.0.1:${backendPort}`] } },
    policies: ['request-id'],
    routes: [
      ...Array.from({ length: routes }, (_, n) => ({
        id: `r${n}`,
        path: `/routes/${n}/:id`,
        upstream: 'backend',
      })),
      { id: 'all', path: '/*', upstream: 'backend' },
    ],
  };
}
