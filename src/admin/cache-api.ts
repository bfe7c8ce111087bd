import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { GatewayControl } from '../core/control.ts';
import type { Log } from '../core/services.ts';
import type { Purge } from '../core/stores/cache-store.ts';
import { describeCache } from './describe-cache.ts';
import { sendProblem } from './http-app.ts';
import { problemsOf, rejectBody, takeJson } from './json-body.ts';

const KINDS = ['url', 'prefix', 'tag'] as const;
const MAX_LENGTH = 8192;

const text = () => z.string().max(MAX_LENGTH, { error: `is longer than ${MAX_LENGTH} characters` });

const PURGE = z.strictObject({
  url: text().optional(),
  prefix: text().optional(),
  tag: text().optional(),
  all: z.literal(true, { error: 'is not true — write true, or leave it out' }).optional(),
  soft: z.boolean().prefault(false),
});

const WHAT = 'This does not say what to purge.';

/** Adds `/api/cache`: how the cache does, and purging it. Each purge is logged. */
export function addCacheApi(app: FastifyInstance, control: GatewayControl, log: Log): void {
  app.register(async (scope) => {
    takeJson(scope);
    scope.get('/api/cache', async () => describeCache((await control.metrics()).text));
    scope.post('/api/cache/purge', async (request, reply) => {
      const input = PURGE.safeParse(request.body ?? {});
      if (!input.success) return rejectBody(reply, WHAT, problemsOf(input.error, request, PURGE));
      const purge = readPurge(input.data);
      if (purge === undefined) return rejectBody(reply, WHAT, [ONE_OF]);
      const result = await control.purgeCache(purge);
      if (!result.ok) return rejectBody(reply, WHAT, [result.problem]);
      const { reached, unreached } = result;
      const what = { [purge.kind]: purge.kind === 'all' ? true : purge.value, soft: purge.soft };
      log.info(
        { audit: 'cache', action: 'purged', ...what, reached, unreached, client: request.ip },
        'cache purged',
      );
      if (unreached.length === 0) return { ...what, reached };
      const detail =
        'The purge holds here, but it is not known to hold everywhere: purge again when these can be reached.';
      return sendProblem(reply, 503, { detail, ...what, reached, unreached });
    });
  });
}

const ONE_OF = 'needs exactly one of url, prefix, tag and all — name what is to be purged';

function readPurge({ all, soft, ...named }: z.output<typeof PURGE>): Purge | undefined {
  const kinds = KINDS.filter((kind) => named[kind] !== undefined);
  const [kind] = kinds;
  if (kinds.length + (all === true ? 1 : 0) !== 1) return undefined;
  return kind === undefined ? { kind: 'all', soft } : { kind, value: named[kind] as string, soft };
}
