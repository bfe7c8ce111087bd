import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { cache } from '../../../src/index.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import {
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestTarget,
} from '../../support/harness.ts';

export type CacheInput = NonNullable<Parameters<typeof cache>[0]>;

/** What a target answers: status, fields and body; what is left out is 200, none and the number of the request. */
export interface Planned {
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

export type Answering = (
  request: IncomingMessage,
  index: number,
) => Planned | Promise<Planned | undefined> | undefined;

export interface CachedGateway {
  readonly gateway: TestGateway;
  readonly target: TestTarget;
  readonly clock: StubClock;
  /** What the target was asked, in order. */
  readonly asked: readonly IncomingMessage[];
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Got>;
}

export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What this gateway's cache says in `Cache-Status`, without its name. */
  readonly verdict: string;
}

/** Starts a gateway with the policy `cache` before a target, and a clock that stands still. */
export async function startCached(
  options: CacheInput,
  answering: Answering,
  more: Partial<TestConfig> = {},
): Promise<CachedGateway> {
  const clock = new StubClock();
  const asked: IncomingMessage[] = [];
  const target = await startTarget(async (request: IncomingMessage, response: ServerResponse) => {
    const index = asked.push(request) - 1;
    const planned = await answering(request, index);
    // A target that is left without a plan answers itself.
    if (planned === undefined) return;
    const { status = 200, headers = {}, body = `answer ${index}` } = planned;
    response.writeHead(status, headers);
    response.end(request.method === 'HEAD' || status === 304 ? undefined : body);
  });
  const gateway = await startGateway(
    {
      // The clock of a pause before another attempt stands still.
      upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ cache: options }] }],
      ...more,
    },
    { clock },
  );
  const get: CachedGateway['get'] = async (path, headers = {}, method = 'GET') => {
    const response = await fetch(gateway.url + path, { method, headers, redirect: 'manual' });
    const verdict = (response.headers.get('cache-status') ?? '').split('sallyport; ').at(-1) as string;
    return { status: response.status, headers: response.headers, text: await response.text(), verdict };
  };
  return { gateway, target, clock, asked, get };
}

/** An answer that is fresh for so many seconds. */
export function fresh(seconds: number, more: OutgoingHttpHeaders = {}): Planned {
  return { headers: { 'cache-control': `max-age=${seconds}`, ...more } };
}
