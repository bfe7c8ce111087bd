import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { describeIssue } from '../config/issue-problems.ts';
import { type ConfigPath, formatPath } from '../config/problem.ts';
import { keyChangeSchema, newKeySchema } from '../config/schema/api-keys-schema.ts';
import { duration } from '../config/schema/scalars.ts';
import type { GatewayControl } from '../core/control.ts';
import type { ApiKeyChange, ApiKeyRecord } from '../core/identity/api-keys.ts';
import { describeApiKey, describeIssuedKey } from '../core/identity/describe-api-key.ts';
import type { Log } from '../core/services.ts';
import { sendProblem } from './http-app.ts';

const NEW_KEY = newKeySchema();
const KEY_CHANGE = keyChangeSchema();
const ROTATION = z.strictObject({ grace: duration().prefault('24h') });

const SEND_JSON = 'The body is not declared as JSON: send it with content-type: application/json.';
const CORRECT_JSON =
  'The body cannot be read as JSON: correct it, and leave out the keys __proto__ and constructor.';

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
      if (!input.success) return refuse(reply, problemsOf(input.error, request, NEW_KEY.in));
      const problems = await findProblems(control, input.data);
      if ((input.data.expiresAt ?? Number.POSITIVE_INFINITY) <= Date.now())
        problems.push('expiresAt has passed — name a time to come, or leave it out');
      if (problems.length > 0) return refuse(reply, problems);
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
      if (!change.success) return refuse(reply, problemsOf(change.error, request, KEY_CHANGE.in));
      const problems = await findProblems(control, change.data);
      if (problems.length > 0) return refuse(reply, problems);
      const record = await (await control.administerKeys()).change(request.params.id, change.data);
      if (record === undefined) return sendProblem(reply, 404);
      note(request, 'changed', record);
      return describeApiKey(record);
    });
    scope.post('/api/keys/:id/rotate', async (request: Request, reply) => {
      const rotation = ROTATION.safeParse(request.body ?? {});
      if (!rotation.success) return refuse(reply, problemsOf(rotation.error, request, ROTATION));
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

/** These are the only routes that read a body. */
function takeJson(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    return parse(request, body as string, done);
  });
  // No type is as good as JSON where there is no body. With one it would be dropped, and defaults taken in its place.
  scope.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => {
    if (body === '') return done(null, undefined);
    return done(Object.assign(new Error('the body is no JSON'), { statusCode: 415 }));
  });
  scope.setErrorHandler<FastifyError>((error, _, reply) => {
    if (error.statusCode === 415) return sendProblem(reply, 415, { detail: SEND_JSON });
    if (error.statusCode === 400) return sendProblem(reply, 400, { detail: CORRECT_JSON });
    throw error;
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

function problemsOf({ issues }: z.ZodError, { body = {} }: FastifyRequest, { shape }: z.ZodObject): string[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return [`is not a JSON object — write one, of ${Object.keys(shape).join(', ')}`];
  const knownKeys = (path: ConfigPath) => (path.length === 0 ? Object.keys(shape) : []);
  return issues
    .flatMap((issue) => describeIssue(issue, body, knownKeys))
    .map(({ path, message, remedy }) => `${formatPath(path)} ${message} — ${remedy}`);
}

function refuse(reply: FastifyReply, problems: readonly string[]): FastifyReply {
  return sendProblem(reply, 422, { detail: 'This is no valid description of a key.', problems });
}
