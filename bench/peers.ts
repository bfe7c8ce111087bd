import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Peer } from './peer.ts';
import { caddy } from './peers/caddy.ts';
import { expressGateway } from './peers/express-gateway.ts';
import { fastifyHttpProxy } from './peers/fastify-http-proxy.ts';
import { haproxy } from './peers/haproxy.ts';
import { nginx, nginxBufferedLog } from './peers/nginx.ts';
import { nginxLua } from './peers/nginx-lua.ts';
import { sallyport } from './peers/sallyport.ts';

/** All peers, in the order of the tables. */
export const PEERS: readonly Peer[] = [
  nginx,
  nginxBufferedLog,
  nginxLua,
  haproxy,
  sallyport,
  caddy,
  fastifyHttpProxy,
  expressGateway,
];

/** Finds the peers called `names`; throws for a name that is none. */
export function peersNamed(names: readonly string[]): Peer[] {
  const unknown = names.filter((name) => !PEERS.some((peer) => peer.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `no such peer: ${unknown.join(', ')}; there are ${PEERS.map((peer) => peer.name).join(', ')}`,
    );
  }
  return PEERS.filter((peer) => names.includes(peer.name));
}

/** Installs the npm peers, apart from the product's own dependencies and without their install scripts. */
export function installNpmPeers(): void {
  const folder = path.join(import.meta.dirname, 'peers');
  if (existsSync(path.join(folder, 'node_modules/.package-lock.json'))) return;
  console.error('Installing the npm peers into bench/peers/node_modules');
  const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-workspaces'], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`npm ci in bench/peers failed:\n${stderr}`);
}
