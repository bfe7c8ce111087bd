import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { describeIssue } from '../config/issue-problems.ts';
import { type ConfigPath, formatPath } from '../config/problem.ts';
import { sendProblem } from './http-app.ts';

const SEND_JSON = 'The body is not declared as JSON: send it with content-type: application/json.';
const CORRECT_JSON =
  'The body cannot be read as JSON: correct it, and leave out the keys __proto__ and constructor.';

/** Has the routes of `scope` read bodies of JSON, which others drop. */
export function takeJson(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    return parse(request, body as string, done);
  });
  // No type is as good as JSON where there is no body. With one it would be dropped, and defaults taken in its place.
  scope.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => {
    if (body === '') return done(null, undefined);
    return done(Object.assign(new Error('the body is not JSON'), { statusCode: 415 }));
  });
  scope.setErrorHandler<FastifyError>((error, _, reply) => {
    if (error.statusCode === 415) return sendProblem(reply, 415, { detail: SEND_JSON });
    if (error.statusCode === 400) return sendProblem(reply, 400, { detail: CORRECT_JSON });
    throw error;
  });
}

/** Words what a schema found wrong with the body of a request: what is wrong where, and what to write instead. */
export function problemsOf(
  { issues }: z.ZodError,
  { body = {} }: FastifyRequest,
  { shape }: z.ZodObject,
): string[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return [`is not a JSON object — write one, of ${Object.keys(shape).join(', ')}`];
  const knownKeys = (path: ConfigPath) => (path.length === 0 ? Object.keys(shape) : []);
  return issues
    .flatMap((issue) => describeIssue(issue, body, knownKeys))
    .map(({ path, message, remedy }) => `${formatPath(path)} ${message} — ${remedy}`);
}

/** Responses that a body says what cannot be. `detail` says in a sentence what it should have been. */
export function rejectBody(reply: FastifyReply, detail: string, problems: readonly string[]): FastifyReply {
  return sendProblem(reply, 422, { detail, problems });
}
