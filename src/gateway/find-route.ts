import type { Exchange } from '../core/exchange.ts';
import type { RouteResult } from '../router/router.ts';
import type { Route } from '../snapshot/route.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

/** Finds the route of an exchange. A preflight goes to that of the request that it announces, if that answers preflights. */
export function findRoute(snapshot: Snapshot, exchange: Exchange): RouteResult<Route> {
  const { host, path, query, request, headers } = exchange;
  if (request.method === 'OPTIONS' && headers.has('access-control-request-method') && headers.has('origin')) {
    const announced = snapshot.router.findPreflight(host, path, headers, query);
    if (announced.kind === 'match' && announced.value.answersPreflights) return announced;
  }
  return snapshot.router.find(host, request.method, path, headers, query);
}
