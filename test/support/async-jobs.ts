import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { readAll, type TestConfig } from './harness.ts';
import { LOOPBACK } from './loopback.ts';
import { RedisServer } from './redis-server.ts';

/** A service that remembers how often it got each request, beside a Redis that lasts. */
export interface JobsUnderTest {
  readonly redis: RedisServer;
  readonly config: TestConfig;
  /** How often each request was asked for, by its key. */
  readonly times: ReadonlyMap<string, number>;
}

/** Prepares a gateway that accepts requests to run later. The service takes `pauseMs` over each. */
export async function prepareJobs(pauseMs: number, concurrency = 16): Promise<JobsUnderTest> {
  const redis = await RedisServer.start({ config: ['appendonly yes'] });
  onTestFinished(() => redis.close());
  const times = new Map<string, number>();
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    const key = String(request.headers['idempotency-key']);
    times.set(key, (times.get(key) ?? 0) + 1);
    const body = await readAll(request);
    setTimeout(() => response.writeHead(201).end(body), pauseMs);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
  const config: TestConfig = {
    redis: { url: redis.url, commandTimeout: '5s' },
    respondAsync: { concurrency },
    upstreams: { service: { targets: [url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: ['respond-async'] }],
  };
  return { redis, config, times };
}

/** Has a request accepted, and gives the place of its status. One that is not accepted is tried again. */
export async function acceptJob(url: () => string, body: string): Promise<string> {
  for (;;) {
    try {
      const response = await fetch(`${url()}/orders`, {
        method: 'POST',
        headers: { prefer: 'respond-async' },
        body,
      });
      await response.arrayBuffer();
      if (response.status === 202) return response.headers.get('location') as string;
    } catch {
      // There is no gateway at the moment.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asks for a result until it is there. */
export async function awaitResult(url: () => string, location: string): Promise<string> {
  for (;;) {
    try {
      const response = await fetch(url() + location);
      const text = await response.text();
      if (response.status === 201) return text;
      if (response.status !== 200 && response.status !== 503) return `${response.status} ${text}`;
    } catch {
      // There is no gateway at the moment.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Does something for each of many, so many at a time. */
export async function eachOf<T, R>(
  things: readonly T[],
  atATime: number,
  work: (thing: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < things.length) {
      const i = next++;
      results[i] = await work(things[i] as T);
    }
  };
  await Promise.all(Array.from({ length: atATime }, run));
  return results;
}
