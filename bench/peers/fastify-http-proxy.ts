import path from 'node:path';
import type { Peer } from '../peer.ts';

/** Fastify with `@fastify/http-proxy`, which sends on through undici; its log by pino. */
export const fastifyHttpProxy: Peer = {
  name: 'fastify-http-proxy',
  commands: [],
  isNpmPackage: true,
  prepare: ({ folder, port, backendPort, isObserved, tls }) => ({
    file: process.execPath,
    args: [path.join(import.meta.dirname, 'fastify-http-proxy-server.mjs')],
    env: {
      NODE_ENV: 'production',
      PORT: String(port),
      BACKEND: `http://127.0.0.1:${backendPort}`,
      ...(isObserved && { ACCESS_LOG: '1' }),
      ...(tls && { CERT_FILE: tls.certFile, KEY_FILE: tls.keyFile }),
    },
    stdout: path.join(folder, 'access.log'),
  }),
};
