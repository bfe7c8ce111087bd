import { format } from 'node:util';
import { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Log } from '../core/services.ts';

/**
 * Makes the logger that an in-process app gets: its lines go to the gateway's log, with `bindings` on each.
 * Fastify's `req` and `res` are left out, since the access log has them and their headers may hold secrets.
 */
export function createAppLog(log: Log, bindings: object): FastifyBaseLogger {
  const writeTo =
    (level: keyof Log) =>
    (first: unknown, ...rest: unknown[]): void => {
      const isText = typeof first === 'string';
      const fields = isText ? {} : first instanceof Error ? { err: first } : withoutMessages(first);
      const words = isText ? [first, ...rest] : rest;
      log[level]({ ...bindings, ...fields }, words.length > 0 ? format(...words) : messageOf(first));
    };
  return {
    level: 'debug',
    trace: writeTo('debug'),
    debug: writeTo('debug'),
    info: writeTo('info'),
    warn: writeTo('warn'),
    error: writeTo('error'),
    fatal: writeTo('error'),
    silent() {},
    child: (more) => createAppLog(log, { ...bindings, ...more }),
  };
}

/** What an app sees when its client left, with the code that `node:http` gives it. */
export class ClientClosedError extends Error {
  readonly code = 'ECONNRESET';

  constructor() {
    super('the client left');
    this.name = 'ClientClosedError';
  }
}

/** Leaves the lines about each request to the gateway's access log, and those about errors to the app. */
export class AppLogController extends LogController {
  constructor() {
    super({ requestIdLogLabel: 'requestId' });
  }

  override incomingRequest(): void {}
  override requestCompleted(): void {}
  override routeNotFound(): void {}

  override streamError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
    if (!(error instanceof ClientClosedError)) super.streamError(error, request, reply);
  }
}

function withoutMessages(fields: unknown): object {
  const { req: _req, res: _res, ...rest } = Object(fields) as Record<string, unknown>;
  return rest;
}

function messageOf(logged: unknown): string {
  return logged instanceof Error ? logged.message : '';
}
