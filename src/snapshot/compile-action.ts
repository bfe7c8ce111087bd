import { compileAggregate } from '../aggregate/aggregate.ts';
import type { Composer } from '../aggregate/compose.ts';
import type { PartUpstream } from '../aggregate/part.ts';
import type { InternalTokens } from '../auth/internal-tokens.ts';
import { compileBatch } from '../batch/batch.ts';
import type { GatewayConfig, RouteConfig } from '../config/schema/schema.ts';
import type { Reply } from '../core/message.ts';
import type { Services } from '../core/services.ts';
import { compileRewrite, compileStripPrefix } from '../router/path-template.ts';
import { compileRedirect } from '../router/redirect.ts';
import { parseRoutePath } from '../router/route-path.ts';
import { compileSplit } from '../upstream/split.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { partCaches } from './part-caches.ts';
import type { ForwardAction, RouteAction } from './route.ts';
import type { SnapshotContext } from './snapshot-context.ts';

/** What the actions of routes are made of. */
export interface ActionParts {
  readonly config: GatewayConfig;
  readonly context: SnapshotContext;
  readonly services: Services;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly internalTokens: InternalTokens | undefined;
  /** What ends with the Snapshot. */
  readonly closers: (() => void | Promise<void>)[];
  /** The code that makes the route's answer, where there is some. */
  readonly composer?: Composer<unknown> | undefined;
}

/** Compiles what a route does with a request that its policies let pass; all but `respond: quota`. */
export function compileAction(route: RouteConfig, parts: ActionParts): RouteAction {
  const { internalTokens, config } = parts;
  const { paramNames } = parseRoutePath(route.path);
  if (route.respond === 'jwks') {
    if (internalTokens === undefined) throw new TypeError(`route '${route.id}': there are no internalTokens`);
    return { kind: 'jwks', tokens: internalTokens };
  }
  if (route.respond !== undefined && route.respond !== 'quota')
    return { kind: 'respond', reply: compileRespond(route.respond) };
  if (route.aggregate !== undefined) return compileParts(route, route.aggregate, parts);
  if (route.batch !== undefined) {
    const { clock, metrics, budget } = parts.context;
    const batch = compileBatch(route.batch, { route: route.id, clock, metrics, budget });
    return { kind: 'batch', batch };
  }
  if (route.redirect !== undefined) {
    return {
      kind: 'redirect',
      status: route.redirect.status,
      locate: compileRedirect(route.redirect, paramNames),
    };
  }
  return {
    kind: 'forward',
    ...compileDestination(route, parts),
    rewrite: route.rewrite === undefined ? undefined : compileRewrite(route.rewrite, paramNames),
    stripPrefix:
      route.stripPrefix === undefined
        ? undefined
        : compileStripPrefix(route.stripPrefix, route.caseSensitive ?? config.paths.caseSensitive),
    hostHeader: route.hostHeader,
    timeoutMs: route.timeout,
    prefix: route.stripPrefix?.replace(/\/$/, '') || undefined,
    restoresPrefix: route.restorePrefix,
  };
}

function compileParts(
  route: RouteConfig,
  config: NonNullable<RouteConfig['aggregate']>,
  { context, services, upstreams, composer, internalTokens, closers }: ActionParts,
): RouteAction {
  const aggregate = compileAggregate(config, {
    route: route.id,
    params: parseRoutePath(route.path).paramNames,
    clock: context.clock,
    metrics: context.metrics,
    budget: context.budget,
    composer,
    findUpstream(name) {
      const { responseTimeoutMs } = findUpstream(name, route.id, upstreams);
      if (services.upstream === undefined) throw new TypeError('there is nothing to ask upstreams with');
      const writeToken: PartUpstream['writeToken'] =
        internalTokens && ((headers, identity) => internalTokens.writeTo({ headers }, identity, name));
      return { name, sender: services.upstream(name), responseTimeoutMs, writeToken };
    },
    openCache: partCaches(
      context.policies.find(({ name }) => name === 'cache'),
      services,
      closers,
    ),
  });
  return { kind: 'aggregate', aggregate };
}

function findUpstream(name: string, route: string, upstreams: ReadonlyMap<string, Upstream>): Upstream {
  const upstream = upstreams.get(name);
  if (upstream === undefined) throw new TypeError(`route '${route}': there is no upstream '${name}'`);
  return upstream;
}

function compileDestination(
  route: RouteConfig,
  { upstreams, services: { random } }: ActionParts,
): Pick<ForwardAction, 'upstreams' | 'split'> {
  const find = (name: string): Upstream => findUpstream(name, route.id, upstreams);
  if (route.split === undefined) return { upstreams: [find(route.upstream ?? '')], split: undefined };
  const parts = route.split.parts.map(({ upstream, request, response, ...part }) => ({
    value: { upstream: find(upstream), request, response },
    ...part,
  }));
  const named = [...new Set(parts.map(({ value }) => value.upstream))];
  return { upstreams: named, split: compileSplit({ by: route.split.by, parts }, route.id, random) };
}

function compileRespond({
  status,
  headers,
  body,
}: Exclude<NonNullable<RouteConfig['respond']>, string>): Reply {
  if (body === undefined) return { status, headers };
  const isText = typeof body === 'string';
  const type = isText ? 'text/plain; charset=utf-8' : 'application/json';
  return {
    status,
    headers: 'content-type' in headers ? headers : { ...headers, 'content-type': type },
    body: isText ? body : JSON.stringify(body),
  };
}
