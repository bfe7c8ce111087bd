import { importComposer } from '../aggregate/compose.ts';
import type { InternalTokens } from '../auth/internal-tokens.ts';
import type { GatewayConfig, PolicyEntry, RouteConfig } from '../config/schema/schema.ts';
import { type ClaimFilter, compileClaimFilter } from '../core/fields/claimed-fields.ts';
import type { TokenVerifier } from '../core/identity/auth-service.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Reply } from '../core/message.ts';
import { bufferBodyOnDemand, holdBytes } from '../core/pipeline/buffer-request-body.ts';
import { mergePolicies } from '../core/pipeline/merge-policies.ts';
import { closePolicies, compilePipeline } from '../core/pipeline/pipeline.ts';
import type { PipelineEntry } from '../core/pipeline/policy-step.ts';
import { withinTime } from '../core/pipeline/within-time.ts';
import type { Policy } from '../core/policy.ts';
import type { Services, UpstreamSender } from '../core/services.ts';
import { isQuota, type LimitInstance } from '../limits/limit-instance.ts';
import { QuotaReader } from '../limits/quota-reader.ts';
import type { RouteRecorder } from '../observability/metrics.ts';
import { createSender } from '../proxy/upstream-sender.ts';
import { LongWork } from '../router/long-work.ts';
import { compileRouter, type Router, type RouterEntry } from '../router/router.ts';
import { type ClientAddressResolver, compileTrustedProxies } from '../server/client-address.ts';
import { LoadShedder } from '../server/load-shedder.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { buildAuthServices, findAuthServiceIn } from './auth-services.ts';
import { type ActionParts, compileAction } from './compile-action.ts';
import { buildInternalTokens } from './internal-tokens.ts';
import { type JobRoute, JobRoutes } from './job-routes.ts';
import { originUpstreams } from './origin-upstreams.ts';
import { type Route, type RouteAction, UNMATCHED } from './route.ts';
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

/** How long `create` and `close` of a policy may take, the latter shorter than an orchestrator waits for the end. */
const POLICY_MS = { make: 30_000, close: 10_000 };

const NOTHING: Reply = { status: 404 };

/** What routes are made of beside their policies. */
type RouteParts = Pick<Snapshot, 'upstreams' | 'internalTokens'>;

class SnapshotBuilder {
  private readonly config: GatewayConfig;
  private readonly context: SnapshotContext;
  private readonly closers: (() => void | Promise<void>)[];
  private readonly byName: ReadonlyMap<string, Policy>;
  /** Of all routes, with one closer for all. */
  private readonly recorders: RouteRecorder[] = [];
  readonly jobRoutes = new JobRoutes();
  /** Of all lists; grows as instances are made. */
  private readonly quotas: LimitInstance[] = [];
  private services: Services;

  constructor(config: GatewayConfig, context: SnapshotContext, closers: (() => void | Promise<void>)[]) {
    this.config = config;
    this.context = context;
    this.services = {
      ...context.services,
      bufferBody: (exchange, maxBytes) => bufferBodyOnDemand(exchange, maxBytes, context.budget),
      holdBytes: (exchange, bytes) => holdBytes(exchange, bytes, context.budget),
    };
    this.closers = closers;
    closers.push(() => endEach(this.recorders, (recorder) => recorder.release()));
    this.byName = new Map(context.policies.map((policy) => [policy.name, policy]));
  }

  /** Lets policies send requests to these upstreams. */
  offerUpstreams(upstreams: ReadonlyMap<string, Upstream>): void {
    const { clock } = this.context;
    const upstream = (name: string): UpstreamSender => {
      const found = upstreams.get(name);
      if (found === undefined) throw new TypeError(`there is no upstream '${name}'`);
      return createSender(found, clock, this.config);
    };
    this.services = { ...this.services, upstream };
  }

  /** Lets policies have tokens verified by these. */
  offerAuthServices(built: ReadonlyMap<string, TokenVerifier>): void {
    this.services = { ...this.services, authService: findAuthServiceIn(built) };
  }

  /** Makes one instance for each entry of a `policies` list. */
  async createEntries(entries: readonly PolicyEntry[], route: string | undefined): Promise<PipelineEntry[]> {
    const made: PipelineEntry[] = [];
    for (const { name, id, observe, options } of entries) {
      const policy = this.byName.get(name);
      if (policy === undefined) throw new TypeError(`there is no policy '${name}'`);
      const created = policy.create(options, this.services, { route, id, observes: observe });
      const instance = isPromise(created) ? await this.inTime(created, name, 'make') : created;
      if (typeof instance !== 'object' || instance === null)
        throw new TypeError(
          `policy '${name}' made ${String(instance)} — return its moments: { onRequest, … }`,
        );
      this.closers.push(() => this.inTime(closePolicies([instance]), name, 'close'));
      if (isQuota(instance)) this.quotas.push(instance);
      made.push({ policy, id: id ?? name, observe, instance });
    }
    return made;
  }

  /** A promise of user code that never settles must keep neither a reload nor the end of the process waiting. */
  private async inTime<T>(pending: Promise<T>, name: string, doing: 'make' | 'close'): Promise<T> {
    const { clock, log } = this.context;
    const late = (): Promise<T> =>
      Promise.reject(new Error(`policy '${name}' took longer than ${POLICY_MS[doing] / 1000} s to ${doing}`));
    try {
      return await withinTime<T | Promise<T>>(pending, POLICY_MS[doing], clock, late);
    } catch (err) {
      if (doing === 'close') log.error({ policy: name, err }, 'policy failed to close');
      throw err;
    }
  }

  async createRoutes(shared: readonly PipelineEntry[], parts: RouteParts): Promise<Route[]> {
    const routes: Route[] = [];
    const work = new LongWork();
    for (const route of this.config.routes) {
      const own = route.policies.length === 0 ? [] : await this.createEntries(route.policies, route.id);
      const isAsShared = own.length === 0 && !route.public;
      const entries = isAsShared ? shared : mergePolicies(shared, own, route.public);
      const { compose } = route.aggregate ?? {};
      const composer = compose === undefined ? undefined : await importComposer(compose);
      routes.push(this.createRoute(route, entries, { ...parts, composer }));
      if (work.isDue) await work.rest();
    }
    return routes;
  }

  private createRoute(
    route: RouteConfig,
    entries: readonly PipelineEntry[],
    parts: Pick<ActionParts, 'upstreams' | 'internalTokens' | 'composer'>,
  ): Route {
    const { config, context, services } = this;
    if (route.respond !== 'quota') {
      const action = compileAction(route, { ...parts, config, context, services });
      return this.finishRoute(route.id, route.path, entries, action);
    }
    // To look at a quota costs nothing of it.
    const others = entries.filter(({ instance }) => !isQuota(instance));
    return this.finishRoute(route.id, route.path, others, { kind: 'quota', quotas: this.quotaReader() });
  }

  quotaReader(): QuotaReader {
    return new QuotaReader(this.quotas);
  }

  finishRoute(id: string, path: string, entries: readonly PipelineEntry[], action: RouteAction): Route {
    const { log, metrics, budget, clock } = this.context;
    const recorder = this.config.metrics ? metrics.route(id) : undefined;
    if (recorder !== undefined) this.recorders.push(recorder);
    const steps = { route: id, log: log.of('policies'), metrics, budget, clock };
    const ordered = mergePolicies(entries, []);
    const pipeline = compilePipeline(ordered, steps);
    const handlesPreflights = entries.some(({ policy }) => policy.name === 'cors');
    const route = Object.freeze({ id, path, pipeline, recorder, action, handlesPreflights });
    this.jobRoutes.add(route, ordered, steps);
    return route;
  }
}

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

/** Ends in slices what may be many thousands of things; one that fails does not keep the others. */
async function endEach<T>(things: readonly T[], end: (thing: T) => void | Promise<void>): Promise<void> {
  const work = new LongWork();
  for (const thing of things) {
    try {
      const ending = end(thing);
      if (isPromise(ending)) await ending;
    } catch {
      // A policy that cannot close must not keep connections and series of the others alive.
    }
    if (work.isDue) await work.rest();
  }
}
