import type { FastifyInstance } from 'fastify';
import type { GatewayControl } from '../core/control.ts';
import { sendProblem } from './http-app.ts';

/** Adds the admin API: what runs, and reloading it. */
export function addApi(app: FastifyInstance, control: GatewayControl): void {
  app.get('/api/status', async () => {
    const { version, routes, upstreams } = await control.describe();
    const { isReady, details } = control.readiness();
    return {
      state: control.state,
      isReady,
      details,
      configVersion: version,
      routes: routes.length,
      upstreams: upstreams.length,
    };
  });
  app.get('/api/routes', async () => ({ routes: (await control.describe()).routes }));
  app.get('/api/upstreams', async () => ({ upstreams: (await control.describe()).upstreams }));
  app.get<{ Querystring: { key?: string | string[] } }>('/api/quotas', async (request) => {
    const { key = [] } = request.query;
    return { quotas: await control.readQuotas([key].flat()) };
  });
  app.post('/api/reload', async (_, reply) => {
    const result = await control.reload();
    if (result.ok) return { configVersion: result.version };
    const detail = 'The configuration has problems, so nothing was changed.';
    return sendProblem(reply, 422, { detail, problems: result.problems });
  });
}
