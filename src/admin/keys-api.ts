import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { keyChangeSchema, newKeySchema } from '../config/schema/api-keys-schema.ts';
import { duration } from '../config/schema/scalars.ts';
import type { GatewayControl } from '../core/control.ts';
import type { ApiKeyChange, ApiKeyRecord } from '../core/identity/api-keys.ts';
import { describeApiKey, describeIssuedKey } from '../core/identity/describe-api-key.ts';
import type { Log } from '../core/services.ts';
import { sendProblem } from './http-app.ts';
import { problemsOf, rejectBody, takeJson } from './json-body.ts';

const NEW_KEY = newKeySchema();
const KEY_CHANGE = keyChangeSchema();
const ROTATION = z.strictObject({ grace: duration().prefault('24h') });

type Request = FastifyRequest<{ Params: { id: string } }>;

/** Adds `/api/keys`: making, showing, changing and deleting API keys. Each change is logged, without the key. */
export function addKeysApi(app: FastifyInstance, control: GatewayControl, log: Log): void {
  const note = (request: FastifyRequest, action: string, { id, owner }: Pick<ApiKeyRecord, 'id' | 'owner'>) =>
    log.info({ audit: 'api-keys', action, keyId: id, owner, client: request.ip }, `API key ${action}`);

  app.register(async (scope) => {
    takeJson(scope);
    scope.get('/api/keys', async () => {
      const records = await (await control.administerKeys()).list();
      return { keys: records.map(describeApiKey) };
    });
    scope.post('/api/keys', async (request, reply) => {
      const input = NEW_KEY.safeParse(request.body ?? {});
      if (!input.success) return reject(reply, problemsOf(input.error, request, NEW_KEY.in));
      const problems = await findProblems(control, input.data);
      if ((input.data.expiresAt ?? Number.POSITIVE_INFINITY) <= Date.now())
        problems.push('expiresAt has passed — name a time to come, or leave it out');
      if (problems.length > 0) return reject(reply, problems);
      const issued = await (await control.administerKeys()).create(input.data);
      note(request, 'created', issued.record);
      return reply.code(201).send(describeIssuedKey(issued));
    });
    scope.get('/api/keys/:id', async (request: Request, reply) => {
      const record = await (await control.administerKeys()).find(request.params.id);
      return record === undefined ? sendProblem(reply, 404) : describeApiKey(record);
    });
    scope.patch('/api/keys/:id', async (request: Request, reply) => {
      const change = KEY_CHANGE.safeParse(request.body ?? {});
      if (!change.success) return reject(reply, problemsOf(change.error, request, KEY_CHANGE.in));
      const problems = await findProblems(control, change.data);
      if (problems.length > 0) return reject(reply, problems);
      const record = await (await control.administerKeys()).change(request.params.id, change.data);
      if (record === undefined) return sendProblem(reply, 404);
      note(request, 'changed', record);
      return describeApiKey(record);
    });
    scope.post('/api/keys/:id/rotate', async (request: Request, reply) => {
      const rotation = ROTATION.safeParse(request.body ?? {});
      if (!rotation.success) return reject(reply, problemsOf(rotation.error, request, ROTATION));
      const issued = await (await control.administerKeys()).rotate(request.params.id, rotation.data.grace);
      if (issued === undefined) return sendProblem(reply, 404);
      note(request, 'rotated', issued.record);
      return describeIssuedKey(issued);
    });
    scope.delete('/api/keys/:id', async (request: Request, reply) => {
      const keys = await control.administerKeys();
      const record = await keys.find(request.params.id);
      if (record === undefined || !(await keys.delete(record.id))) return sendProblem(reply, 404);
      note(request, 'deleted', record);
      return reply.code(204).send();
    });
  });
}

/** Finds routes that are not there: a key that opens only those would open nothing. */
async function findProblems(
  control: GatewayControl,
  { routes }: Pick<ApiKeyChange, 'routes'>,
): Promise<string[]> {
  if (routes === undefined) return [];
  const known = new Set((await control.describe()).routes.map(({ id }) => id));
  return routes.flatMap((id, i) =>
    known.has(id) ? [] : `routes[${i}] the configuration has no route '${id}' — add it there first`,
  );
}

function reject(reply: FastifyReply, problems: readonly string[]): FastifyReply {
  return rejectBody(reply, 'This is not a valid description of a key.', problems);
}
