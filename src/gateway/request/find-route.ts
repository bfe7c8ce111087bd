import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { FieldKind } from '../../core/field-kind.ts';
import type { Reply } from '../../core/message.ts';
import { JOBS_PATH, readJobPath } from '../../policies/respond-async/job-id.ts';
import { RouteMatch } from '../../router/route-match.ts';
import type { RouteResult } from '../../router/router.ts';
import type { Route } from '../../snapshot/route.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';

/** Finds the route of an exchange. A preflight goes to that of the request that it announces, if that answers preflights. */
export function findRoute(snapshot: Snapshot, exchange: Exchange): RouteResult<Route> {
  const { host, path, query, request, headers } = exchange;
  if (snapshot.jobRoutes !== undefined && path.startsWith(JOBS_PATH)) return findJobRoute(snapshot, path);
  if (request.method === 'OPTIONS' && headers.has('access-control-request-method') && headers.has('origin')) {
    const announced = snapshot.router.findPreflight(host, path, headers, query);
    if (announced.kind === 'match' && announced.value.handlesPreflights) return announced;
  }
  return snapshot.router.find(host, request.method, path, headers, query);
}

/** Finds the route that a job belongs to, by its id. */
function findJobRoute({ jobRoutes }: Snapshot, path: string): RouteResult<Route> {
  const found = jobRoutes?.get(readJobPath(path)?.route ?? '');
  return found === undefined ? NOT_FOUND : new RouteMatch(found.status, [], []);
}

const NOT_FOUND: RouteResult<Route> = { kind: 'not-found' };

/** Makes the response to a request that no route takes. */
export function respondWithoutRoute(
  found: Exclude<RouteResult<Route>, { readonly kind: 'match' }>,
): Reply | GatewayError {
  switch (found.kind) {
    case 'not-found':
      return new GatewayError('GW_NO_ROUTE');
    case 'method-not-allowed':
      return new GatewayError('GW_METHOD_NOT_ALLOWED', { headers: { allow: found.allow.join(', ') } });
    case 'options':
      return { status: 204, headers: { allow: found.allow.join(', ') } };
    case 'server-options':
      return { status: 204 };
  }
}

/** `Max-Forwards` counts the proxies that an OPTIONS request may still pass (RFC 9110 §7.6.2). */
export function limitForwards({ headers, request }: Exchange): Reply | undefined {
  if (request.method !== 'OPTIONS') return undefined;
  const stated = headers.getKind(FieldKind.maxForwards);
  if (stated === undefined || !/^\d{1,9}$/.test(stated)) return undefined;
  if (Number(stated) === 0) return { status: 204 };
  headers.set('max-forwards', String(Number(stated) - 1));
  return undefined;
}

/** The response to a caller whose credential has ended meanwhile. */
export function expiredError({ challenge }: Exchange): GatewayError {
  const headers = { 'www-authenticate': challenge === '' ? 'Bearer' : challenge };
  return new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason: 'expired' });
}
