import type { BodySource } from '../../src/core/body.ts';
import { EMPTY_BODY } from '../../src/core/body.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { OngoingExchange, TargetRequest } from '../../src/core/message.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { HttpTarget } from '../../src/proxy/http-target.ts';
import type { HttpTargetOptions } from '../../src/proxy/pool-options.ts';
import { type PoolServices, poolServices } from '../../src/proxy/pool-services.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { CollectingSink } from './collecting-sink.ts';
import { LOOPBACK } from './loopback.ts';

/** A pool of connections to one port, and a clock that moves when told to. */
export interface TestPool {
  readonly clock: StubClock;
  readonly target: HttpTarget;
  /** Sends a request; the sink that is returned collects the answer. */
  send(request?: Partial<TargetRequest>): CollectingSink & { readonly ongoing: OngoingExchange };
}

/** Makes a pool; its times are 3 s to connect, 60 s idle, 4 s kept alive, unless `options` says otherwise. */
export function poolFor(
  port: number,
  options: Partial<HttpTargetOptions> = {},
  services: Partial<PoolServices> = {},
): TestPool {
  const clock = new StubClock();
  const target = new HttpTarget(
    {
      place: { kind: 'tcp', host: LOOPBACK, port },
      tls: undefined,
      times: { connectMs: 3000, idleMs: 60_000, keepAliveMs: 4000 },
      maxConnections: 256,
      maxQueued: 1024,
      maxAgeMs: 600_000,
      maxUses: 10_000,
      minIdle: 0,
      ...options,
    },
    poolServices(new Deadlines(clock), services),
  );
  return {
    clock,
    target,
    send(request = {}) {
      const sink = new CollectingSink();
      const ongoing = target.exchange(requestFor(request), sink, clock.monotonic());
      return Object.assign(sink, { ongoing });
    },
  };
}

/** Makes a request as a target gets it: GET without a body, unless `changed` says otherwise. */
export function requestFor(changed: Partial<TargetRequest> = {}): TargetRequest {
  return {
    method: 'GET',
    path: '/',
    host: 'shop.example',
    headers: HeaderList.from(),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    responseTimeoutMs: 15_000,
    ...changed,
  };
}

/** A body whose pieces the test gives, one at a time, of unknown length unless `length` says it. */
export class ManualBody implements BodySource {
  readonly length: number | undefined;
  resumed = 0;
  isCancelled = false;
  private sink: Parameters<BodySource['pipe']>[0] | undefined = undefined;

  constructor(length?: number) {
    this.length = length;
  }

  get isPiped(): boolean {
    return this.sink !== undefined;
  }

  pipe(sink: Parameters<BodySource['pipe']>[0]): void {
    this.sink = sink;
  }

  resume(): void {
    this.resumed++;
  }

  cancel(): void {
    this.isCancelled = true;
  }

  give(text: string): boolean | undefined {
    return this.sink?.write(Buffer.from(text, 'latin1'));
  }

  end(trailers?: HeaderList): void {
    this.sink?.end(trailers);
  }

  abort(error: Error): void {
    this.sink?.abort(error);
  }
}
