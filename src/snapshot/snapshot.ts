import type { InternalTokens } from '../auth/internal-tokens.ts';
import type { GatewayConfig, RouteConfig } from '../config/schema/schema.ts';
import { type ClaimFilter, compileClaimFilter } from '../core/fields/claimed-fields.ts';
import type { TokenVerifier } from '../core/identity/auth-service.ts';
import type { Reply } from '../core/message.ts';
import type { QuotaReader } from '../limits/quota-reader.ts';
import { compileRouter, type Router, type RouterEntry } from '../router/router.ts';
import { type ClientAddressResolver, compileTrustedProxies } from '../server/client-address.ts';
import { LoadShedder } from '../server/load-shedder.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { buildAuthServices } from './auth-services.ts';
import { endEach } from './end-each.ts';
import { buildInternalTokens } from './internal-tokens.ts';
import type { JobRoute } from './job-routes.ts';
import { originUpstreams } from './origin-upstreams.ts';
import { type Route, UNMATCHED } from './route.ts';
import { SnapshotBuilder } from './snapshot-builder.ts';
import type { SnapshotContext } from './snapshot-context.ts';
import { buildUpstreams } from './upstreams.ts';

/** A configuration made ready: everything that a request needs, changed by nobody, replaced as a whole. */
export interface Snapshot {
  readonly version: number;
  readonly config: GatewayConfig;
  readonly router: Router<Route>;
  readonly unmatched: Route;
  readonly routes: readonly Route[];
  /** Those whose requests may run later, by the beginning of the ids of their jobs; `undefined` where there are none. */
  readonly jobRoutes: ReadonlyMap<string, JobRoute> | undefined;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly authServices: ReadonlyMap<string, TokenVerifier>;
  readonly quotas: QuotaReader;
  /** Makes the tokens that upstreams get from us, where those are configured. */
  readonly internalTokens: InternalTokens | undefined;
  readonly findOrigin: ClientAddressResolver;
  /** Drops what a request says of itself that nobody may, or not who sent it. */
  readonly dropClaims: ClaimFilter;
  /** Whether targets are told in `Forwarded` too. */
  readonly forwarded: boolean;
  /** Says when there is too much to do, `undefined` where all is tried. */
  readonly shedder: LoadShedder | undefined;
  /** Counts an exchange that runs on this Snapshot. */
  acquire(): void;
  release(): void;
  /** Frees what the Snapshot holds once its last exchange ended. Resolves then. */
  drain(): Promise<void>;
}

/**
 * Builds a Snapshot beside whatever runs.
 *
 * 1. Upstreams and the policies that all routes share.
 * 2. Routes, in slices.
 * 3. The router.
 *
 * Rejects when a part cannot be made; what was made until then is freed.
 */
export async function buildSnapshot(
  config: GatewayConfig,
  version: number,
  context: SnapshotContext,
): Promise<Snapshot> {
  const closers: (() => void | Promise<void>)[] = [];
  const { snapshots } = context;
  snapshots.inUse++;
  closers.push(() => void snapshots.inUse--);
  const builder = new SnapshotBuilder(config, context, closers);
  try {
    // 1.
    const named = { ...config.upstreams, ...originUpstreams(config, context.policies) };
    const upstreams = await buildUpstreams({ ...config, upstreams: named }, context, closers);
    builder.offerUpstreams(upstreams);
    const authServices = await buildAuthServices(config, context, closers);
    builder.offerAuthServices(authServices);
    const internalTokens = await buildInternalTokens(config, context, closers);
    const shared = await builder.createEntries(config.policies, undefined);
    const unmatched = builder.finishRoute(UNMATCHED, '', shared, { kind: 'respond', reply: NOTHING });
    // 2.
    const routes = await builder.createRoutes(shared, { upstreams, internalTokens });
    // 3.
    const router = await compileRouter(routerEntries(config, routes));
    const shedder = createShedder(config, context, closers);
    const quotas = builder.quotaReader();
    return new RunningSnapshot(
      config,
      version,
      {
        ...{ router, unmatched, routes, upstreams, authServices, quotas, internalTokens, shedder },
        jobRoutes: builder.jobRoutes.all,
      },
      closers,
    );
  } catch (error) {
    await endEach(closers, (close) => close());
    throw error;
  }
}

const NOTHING: Reply = { status: 404 };

function* routerEntries(
  { routes: configs, paths }: GatewayConfig,
  routes: readonly Route[],
): Generator<RouterEntry<Route>> {
  for (let order = 0; order < configs.length; order++) {
    const { path, methods, hosts, headers, query, ...own } = configs[order] as RouteConfig;
    const { caseSensitive = paths.caseSensitive, trailingSlash = paths.trailingSlash } = own;
    const value = routes[order] as Route;
    yield { path, methods, hosts, headers, query, caseSensitive, trailingSlash, order, value };
  }
}

function createShedder(
  { loadShedding }: GatewayConfig,
  { clock, services }: SnapshotContext,
  closers: (() => void)[],
): LoadShedder | undefined {
  if (loadShedding === undefined) return undefined;
  const shedder = new LoadShedder(loadShedding.maxDelay, clock, services.random);
  closers.push(() => shedder.close());
  return shedder;
}

type SnapshotParts = Pick<
  Snapshot,
  | 'router'
  | 'unmatched'
  | 'routes'
  | 'jobRoutes'
  | 'upstreams'
  | 'authServices'
  | 'quotas'
  | 'internalTokens'
  | 'shedder'
>;

class RunningSnapshot implements Snapshot {
  readonly config: GatewayConfig;
  readonly version: number;
  readonly router: Router<Route>;
  readonly unmatched: Route;
  readonly routes: readonly Route[];
  readonly jobRoutes: Snapshot['jobRoutes'];
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly authServices: ReadonlyMap<string, TokenVerifier>;
  readonly quotas: QuotaReader;
  readonly internalTokens: InternalTokens | undefined;
  readonly findOrigin: ClientAddressResolver;
  readonly dropClaims: ClaimFilter;
  readonly forwarded: boolean;
  readonly shedder: LoadShedder | undefined;
  private readonly closers: readonly (() => void | Promise<void>)[];
  private exchanges = 0;
  private onEmpty: (() => void) | undefined = undefined;
  private draining: Promise<void> | undefined = undefined;

  constructor(
    config: GatewayConfig,
    version: number,
    parts: SnapshotParts,
    closers: readonly (() => void | Promise<void>)[],
  ) {
    this.config = config;
    this.version = version;
    this.router = parts.router;
    this.unmatched = parts.unmatched;
    this.routes = parts.routes;
    this.jobRoutes = parts.jobRoutes;
    this.upstreams = parts.upstreams;
    this.authServices = parts.authServices;
    this.quotas = parts.quotas;
    this.internalTokens = parts.internalTokens;
    this.shedder = parts.shedder;
    this.findOrigin = compileTrustedProxies(config.trustedProxies);
    this.dropClaims = compileClaimFilter(config.trustedProxies.writes, config.allowOverrides);
    this.forwarded = config.forwarded;
    this.closers = closers;
  }

  acquire(): void {
    this.exchanges++;
  }

  release(): void {
    if (--this.exchanges === 0) this.onEmpty?.();
  }

  drain(): Promise<void> {
    this.draining ??= this.drainOnce();
    return this.draining;
  }

  private async drainOnce(): Promise<void> {
    if (this.exchanges > 0) await new Promise<void>((resolve) => (this.onEmpty = resolve));
    await endEach(this.closers, (close) => close());
  }
}
