import { cpSync } from 'node:fs';
import path from 'node:path';
import type { Peer, Setup } from '../peer.ts';
import { writeInto } from '../workplace.ts';

const packageFolder = path.join(import.meta.dirname, 'node_modules/express-gateway');

/** Express Gateway, its log by its `log` policy; it sends its request id on as `eg-request-id`. */
export const expressGateway: Peer = {
  name: 'express-gateway',
  commands: [],
  isNpmPackage: true,
  prepare(setup) {
    cpSync(path.join(packageFolder, 'lib/config/models'), path.join(setup.folder, 'models'), {
      recursive: true,
    });
    writeInto(setup.folder, 'gateway.config.json', JSON.stringify(gatewayConfigOf(setup)));
    writeInto(setup.folder, 'system.config.json', JSON.stringify(SYSTEM_CONFIG));
    return {
      file: process.execPath,
      args: [path.join(packageFolder, 'lib/index.js')],
      env: {
        NODE_ENV: 'production',
        EG_CONFIG_DIR: setup.folder,
        EG_DISABLE_CONFIG_WATCH: 'true',
        ...(setup.isObserved && { LOG_LEVEL: 'info' }),
      },
      stdout: path.join(setup.folder, 'access.log'),
    };
  },
};

const SYSTEM_CONFIG = {
  db: { redis: { emulate: true, namespace: 'EG' } },
  crypto: { cipherKey: 'sensitiveKey', algorithm: 'aes256', saltRounds: 10 },
  session: { secret: 'keyboard cat', resave: false, saveUninitialized: false },
};

// biome-ignore lint/suspicious/noTemplateCurlyInString: a template of Express Gateway's own
const LOG_LINE = '${req.ip} ${req.method} ${req.originalUrl} ${egContext.requestID}';

function gatewayConfigOf({ port, backendPort, isObserved, tls }: Setup): object {
  return {
    ...(tls
      ? { https: { port, hostname: '127.0.0.1', tls: { default: { cert: tls.certFile, key: tls.keyFile } } } }
      : { http: { port, hostname: '127.0.0.1' } }),
    apiEndpoints: { all: { host: '*', paths: '*' } },
    serviceEndpoints: { backend: { url: `http://127.0.0.1:${backendPort}` } },
    policies: ['proxy', 'log'],
    pipelines: {
      all: {
        apiEndpoints: ['all'],
        policies: [
          ...(isObserved ? [{ log: [{ action: { message: LOG_LINE } }] }] : []),
          {
            proxy: [
              { action: { serviceEndpoint: 'backend', xfwd: true, headers: { via: '1.1 express-gateway' } } },
            ],
          },
        ],
      },
    },
  };
}
