import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';

/** Checks that policies `respond-async` have a Redis in which accepted requests outlive the process. */
export function checkAsync(gateway: Fields, findings: Findings): void {
  checkBatches(gateway, findings);
  const { url, sentinel, cluster } = asFields(gateway.redis);
  const lists: readonly (readonly [list: unknown, path: ConfigPath])[] = [
    [gateway.policies, ['policies']],
    ...asList(gateway.routes).map(
      (route, i) => [asFields(route).policies, ['routes', i, 'policies']] as const,
    ),
  ];
  for (const [list, path] of lists) {
    for (const [i, entry] of asList(list).entries()) {
      if (!isUse(entry)) continue;
      const at = [...path, i];
      if (gateway.redis === undefined)
        findings.reject(
          at,
          'needs a Redis, in which accepted requests outlive the gateway — set redis: { url: … }, or take respond-async out',
        );
      else if (url === undefined && (sentinel !== undefined || cluster !== undefined))
        findings.reject(at, 'needs one Redis server, not Sentinels or a Cluster — set redis.url');
    }
  }
}

/** A batch answers each of its requests by itself, which may run later where their routes say so. */
function checkBatches(gateway: Fields, findings: Findings): void {
  const isTopLevel = asList(gateway.policies).some(isUse);
  for (const [i, route] of asList(gateway.routes).entries()) {
    const { batch, policies } = asFields(route);
    if (batch === undefined || !(isTopLevel || asList(policies).some(isUse))) continue;
    findings.reject(
      ['routes', i, 'batch'],
      'cannot run later as a whole — put respond-async on the routes of its requests',
    );
  }
}

function isUse(entry: unknown): boolean {
  return entry === 'respond-async' || asFields(entry)['respond-async'] !== undefined;
}
