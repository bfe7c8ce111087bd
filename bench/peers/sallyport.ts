import path from 'node:path';
import type { Chain } from '../chain.ts';
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

function configOf(setup: Setup): object {
  const { folder, port, adminPort, backendPort, isObserved, tls, routes, chain } = setup;
  return {
    listeners: [{ host: '127.0.0.1', port, ...(tls && { tls: { certificates: [tls] } }) }],
    admin: { host: '127.0.0.1', port: adminPort },
    ...(!isObserved && { accessLog: false, metrics: false }),
    upstreams: { backend: { targets: [`http://127.0.0.1:${backendPort}`] } },
    ...(chain && servicesOf(chain)),
    dataDir: path.join(folder, 'data'),
    policies: ['request-id', ...(chain ? policiesOf(chain) : [])],
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

function servicesOf({ secret, issuer, audience }: Chain): object {
  return { authServices: { main: { secret, algorithms: ['HS256'], issuer, audience } } };
}

function policiesOf({ origin, role, limit }: Chain): object[] {
  return [
    { 'security-headers': {} },
    { cors: { origins: [origin] } },
    { jwt: { service: 'main' } },
    { authorize: { roles: [role] } },
    { 'rate-limit': { limit, window: '1h', key: 'subject', algorithm: 'fixed-window' } },
  ];
}
