import { compilePipeline, type Pipeline, type PipelineContext } from '../core/pipeline/pipeline.ts';
import type { PipelineEntry } from '../core/pipeline/policy-step.ts';
import { routeHash } from '../policies/respond-async/job-id.ts';
import type { Route, RouteAction } from './route.ts';

/** A route whose requests may run later. */
export interface JobRoute {
  readonly route: Route;
  /** What answers how its jobs stand. */
  readonly status: Route;
  /** The policies behind `respond-async`, which run with the job. */
  readonly rest: Pipeline;
}

/** Policies that a question about a job passes as the request did, beside those that identify and those of one's own. */
const ASKED: ReadonlySet<string> = new Set(['ip-filter', 'rate-limit', 'concurrency', 'respond-async']);

const NOTHING: RouteAction = { kind: 'respond', reply: { status: 404 } };

/** The routes whose requests may run later, by the beginning of the ids of their jobs; `undefined` where there are none. */
export class JobRoutes {
  private byHash: Map<string, JobRoute> | undefined = undefined;

  get all(): ReadonlyMap<string, JobRoute> | undefined {
    return this.byHash;
  }

  /** Adds a route, if its policies say so. `entries` are in the order in which they run. */
  add(route: Route, entries: readonly PipelineEntry[], context: PipelineContext): void {
    const at = entries.findIndex(({ policy }) => policy.name === 'respond-async');
    if (at < 0) return;
    const asked = entries.slice(0, at + 1).filter(({ policy }) => {
      const { name, position, access } = policy;
      return position === 'first' || access === 'identifies' || ASKED.has(name) || name.includes('/');
    });
    const status: Route = Object.freeze({
      ...route,
      pipeline: compilePipeline(asked, context),
      action: NOTHING,
    });
    this.byHash ??= new Map();
    this.byHash.set(routeHash(route.id), {
      route,
      status,
      rest: compilePipeline(entries.slice(at + 1), context),
    });
  }
}
