import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { Exchange } from '../core/exchange.ts';
import type { Identity } from '../core/identity/identity.ts';
import type { ClientRequest } from '../core/message.ts';
import { newRequestId } from '../core/request-id.ts';
import { normaliseTarget } from '../router/normalise.ts';
import type { Route } from '../snapshot/route.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { describeClient } from './request/describe-client.ts';
import { findRoute } from './request/find-route.ts';
import type { ListenerRules } from './request/request-context.ts';

/** The route of a request, and what it makes of the path. */
export interface RoutedRequest {
  readonly id: string;
  /** As written in the configuration. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The stages of handling a request, each by itself: what route it takes, who sent it, and whether that one may. They do
 * what `handleRequest` does, without the other policies and without asking an upstream. Where it would reject, they
 * reject with its `GatewayError`.
 */
export class RequestStages {
  private readonly exchange: Exchange;
  private readonly route: Route;
  private readonly isRouted: boolean;

  constructor(request: ClientRequest, { spelling }: ListenerRules, snapshot: Snapshot, clock: Clock) {
    const exchange = new Exchange(request, clock.monotonic());
    exchange.requestId = newRequestId(clock.now());
    describeClient(exchange, snapshot);
    const target = normaliseTarget(request.target, request.method, spelling);
    if (!target.ok) throw new GatewayError('GW_BAD_PATH', { detail: target.reason });
    exchange.path = target.path;
    exchange.query = target.query;
    const found = findRoute(snapshot, exchange);
    this.isRouted = found.kind === 'match';
    this.route = found.kind === 'match' ? found.value : snapshot.unmatched;
    if (found.kind === 'match') exchange.params = found.params;
    exchange.route = this.route;
    this.exchange = exchange;
  }

  routeRequest(): RoutedRequest | undefined {
    const { id, path } = this.route;
    return this.isRouted ? { id, path, params: this.exchange.params } : undefined;
  }

  async authenticate(): Promise<Identity | undefined> {
    await this.run('identifies');
    return this.exchange.identity;
  }

  async authorize(): Promise<Identity | undefined> {
    await this.authenticate();
    await this.run('authorizes');
    return this.exchange.identity;
  }

  private async run(access: 'identifies' | 'authorizes'): Promise<void> {
    const result = await this.route.pipeline.runAccess(access, this.exchange);
    if (result instanceof GatewayError) throw result;
    if (result !== undefined)
      throw new GatewayError('GW_FORBIDDEN', {
        reason: 'answered',
        cause: `a policy answered ${result.status}`,
      });
  }
}
