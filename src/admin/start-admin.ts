import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { GatewayControl } from '../core/control.ts';
import type { Log } from '../core/services.ts';
import { findOrMakeToken } from './admin-token.ts';
import { addApi } from './api.ts';
import { createBearerCheck } from './bearer-check.ts';
import { addCacheApi } from './cache-api.ts';
import { isOwnHost } from './host-check.ts';
import { createHttpApp, type ListenAddress, listen, type OperatorServer, sendProblem } from './http-app.ts';
import { addKeysApi } from './keys-api.ts';
import { addProbes } from './probes.ts';

export interface AdminConfig extends ListenAddress {
  /** Left out: made once and kept in `dataDir`. */
  readonly token?: string | undefined;
  readonly dataDir: string;
}

/** Starts the port for operators: probes and metrics for everybody who reaches it, all else with the token only. */
export async function startAdmin(
  config: AdminConfig,
  control: GatewayControl,
  log: Log,
): Promise<OperatorServer> {
  const token = config.token ?? (await findOrMakeToken(config.dataDir, log));
  const app = createHttpApp(log);
  guard(app, createBearerCheck(token), ownNamesOf(config.host));
  addProbes(app, control);
  addApi(app, control);
  addCacheApi(app, control, log);
  addKeysApi(app, control, log);
  return listen(app, config, 'admin');
}

/** The name to listen on, where it is one, is a name under which operators may call. */
function ownNamesOf(host: string): ReadonlySet<string> {
  return new Set(isIP(host) === 0 ? [host.toLowerCase()] : []);
}

/** Rejects on the whole app, unknown paths included, what comes under a foreign name or without the token. */
function guard(
  app: FastifyInstance,
  carriesToken: (authorization: string | undefined) => boolean,
  ownNames: ReadonlySet<string>,
): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!isOwnHost(request.headers.host, ownNames)) {
      const detail = 'Call the admin port by an address, by localhost, or by the name in admin.host.';
      return sendProblem(reply, 421, { detail });
    }
    if (request.routeOptions.config.isPublic === true || carriesToken(request.headers.authorization)) return;
    reply.header('www-authenticate', 'Bearer realm="sallyport admin"');
    return sendProblem(reply, 401, { detail: 'Send the admin token as `Authorization: Bearer <token>`.' });
  });
}
