/**
 * Asks what `api-key` costs for a key that is known, in-process, the pipeline with and without it by turns; and what a
 * key costs that somebody invented. Goal: 4 µs for a known one. Run: `node bench/key-cost.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BufferBudget } from '../src/core/buffer-budget.ts';
import { systemClock } from '../src/core/clock.ts';
import { KeptResources } from '../src/core/kept-resources.ts';
import { compilePipeline, type Pipeline } from '../src/core/pipeline.ts';
import { createAdministration } from '../src/keys/key-administration.ts';
import { makeKey, newKeyId } from '../src/keys/key-format.ts';
import { KeyHasher } from '../src/keys/key-hash.ts';
import { KeyVerifier } from '../src/keys/key-verifier.ts';
import { openSqliteKeyStore } from '../src/keys/sqlite-key-store.ts';
import { apiKey } from '../src/policies/index.ts';
import { quantile } from './loop-monitor.ts';
import { makeExchange } from './make-exchange.ts';

const KNOWN_KEYS = 200;
const ROUNDS = 400;
/** Few enough to stay in the processor's cache, as a head does that was just read. */
const REQUESTS = 500;
const INVENTED = 5000;

const ignore = () => {};
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const metrics = { counter: () => ({ add: ignore }), gauge: () => ignore };
const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-bench-'));
const hasher = new KeyHasher('a pepper of more than enough letters');
const store = await openSqliteKeyStore(path.join(folder, 'api-keys.db'), hasher.fingerprint);
const verifier = new KeyVerifier({ store, hasher, clock: systemClock, log });
await verifier.poll();

const off = compilePipeline([], {
  route: 'orders',
  log,
  metrics,
  clock: systemClock,
  budget: new BufferBudget(),
});
const on = await makePipeline();
const administration = createAdministration({ store, hasher, clock: systemClock, environment: 'live' });
const keys: string[] = [];
for (let i = 0; i < KNOWN_KEYS; i++)
  keys.push((await administration.create({ owner: `owner-${i}`, roles: ['partner'] })).key);

const costs = Array.from({ length: ROUNDS }, () => {
  const without = microsecondsPerRequest(off);
  return microsecondsPerRequest(on) - without;
});
// Of the later half: the first rounds are compiled as they run.
const late = costs.slice(ROUNDS / 2).sort((a, b) => a - b);
console.log(`known key: ${quantile(late, 0.5).toFixed(2)} µs`);

const invented = Array.from({ length: INVENTED }, () => makeKey('live', newKeyId()));
const start = performance.now();
for (const key of invented) verifier.verify(key);
console.log(`invented key: ${(((performance.now() - start) * 1000) / INVENTED).toFixed(1)} µs`);

await verifier.close();
await store.close();
rmSync(folder, { recursive: true });

async function makePipeline(): Promise<Pipeline> {
  const kept = new KeptResources();
  const instance = await apiKey.create(apiKey.options.parse({}), {
    log,
    clock: systemClock,
    metrics,
    random: Math.random,
    configFolder: '/',
    keep: (key, create, close) => kept.hold(key, create, close),
    apiKeys: { open: async () => verifier },
  });
  const entries = [{ policy: apiKey, id: apiKey.name, observe: false, instance }];
  return compilePipeline(entries, {
    route: 'orders',
    log,
    metrics,
    clock: systemClock,
    budget: new BufferBudget(),
  });
}

function microsecondsPerRequest(pipeline: Pipeline): number {
  const exchanges = Array.from({ length: REQUESTS }, (_, i) =>
    makeExchange('x-api-key', keys[i % keys.length] as string),
  );
  const begin = performance.now();
  for (const exchange of exchanges) {
    if (pipeline.runRequest(exchange) !== undefined) throw new Error('a known key was not let in at once');
  }
  return ((performance.now() - begin) * 1000) / REQUESTS;
}
