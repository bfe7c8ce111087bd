import { importComposer } from '../aggregate/compose.ts';
import type { GatewayConfig, PolicyEntry, RouteConfig } from '../config/schema/schema.ts';
import type { TokenVerifier } from '../core/identity/auth-service.ts';
import { isPromise } from '../core/is-promise.ts';
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
import type { Upstream } from '../upstream/upstream.ts';
import { findAuthServiceIn } from './auth-services.ts';
import { type ActionParts, compileAction } from './compile-action.ts';
import { endEach } from './end-each.ts';
import { JobRoutes } from './job-routes.ts';
import type { Route, RouteAction } from './route.ts';
import type { SnapshotContext } from './snapshot-context.ts';

/** How long `create` and `close` of a policy may take, the latter shorter than an orchestrator waits for the end. */
const POLICY_MS = { make: 30_000, close: 10_000 };

/** What routes are made of beside their policies. */
type RouteParts = Pick<ActionParts, 'upstreams' | 'internalTokens'>;

/** Makes instances of policies, and routes, out of a configuration. `closers` takes what ends them. */
export class SnapshotBuilder {
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
    const { config, context, services, closers } = this;
    if (route.respond !== 'quota') {
      const action = compileAction(route, { ...parts, config, context, services, closers });
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
