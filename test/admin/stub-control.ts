import type {
  GatewayControl,
  GatewayDescription,
  GatewayState,
  PurgeResult,
  Readiness,
  ReloadResult,
} from '../../src/core/control.ts';
import type { ApiKeyAdministration } from '../../src/core/identity/api-keys.ts';

/** A gateway that is whatever a test says. */
export class StubControl implements GatewayControl {
  state: GatewayState = 'ready';
  ready: Readiness = { isReady: true, details: [] };
  reloads = 0;
  result: ReloadResult = { ok: true, version: 2 };
  failure: Error | undefined;

  async reload(): Promise<ReloadResult> {
    this.reloads++;
    if (this.failure) throw this.failure;
    return this.result;
  }

  readiness(): Readiness {
    return this.ready;
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    if (this.failure) throw this.failure;
    return {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      text: '# HELP up x\n# TYPE up gauge\nup 1\n',
    };
  }

  async readQuotas(keys: readonly string[]): Promise<readonly object[]> {
    return keys.map((key) => ({ name: 'monthly', key }));
  }

  async purgeCache(): Promise<PurgeResult> {
    return { ok: true, reached: 1, unreached: [] };
  }

  async administerKeys(): Promise<ApiKeyAdministration> {
    throw this.failure ?? new Error('there are no keys here');
  }

  async describe(): Promise<GatewayDescription> {
    return {
      version: 2,
      routes: [{ id: 'orders', path: '/orders/:id', upstreams: ['orders'] }],
      upstreams: [
        {
          name: 'orders',
          targets: [{ target: '127.0.0.1:9001', state: 'healthy', weight: 1, activeRequests: 0 }],
        },
      ],
    };
  }
}
