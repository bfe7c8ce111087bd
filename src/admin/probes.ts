import type { FastifyInstance } from 'fastify';
import type { GatewayControl } from '../core/control.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route responds without a token. */
    isPublic?: boolean;
  }
}

/** Adds what probes and scrapers ask: `/healthz`, `/readyz` and `/metrics`. */
export function addProbes(app: FastifyInstance, control: GatewayControl): void {
  const config = { isPublic: true };
  app.get('/healthz', { config }, async () => ({ status: 'alive' }));
  app.get('/readyz', { config }, async (_, reply) => {
    const { isReady, details } = control.readiness();
    reply.code(isReady ? 200 : 503);
    return { status: isReady ? 'ready' : 'not ready', state: control.state, details };
  });
  app.get('/metrics', { config }, async (_, reply) => {
    const { contentType, text } = await control.metrics();
    reply.header('content-type', contentType);
    return text;
  });
}
