import { STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Log } from '../core/services.ts';

/** A server for operators that is listening. */
export interface OperatorServer {
  readonly port: number;
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** What browsers are told about every response: nothing here is a page, may be framed, kept or read by other sites. */
const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Makes a Fastify app whose responses carry security headers and whose errors are problem details (RFC 9457). */
export function createHttpApp(log: Log): FastifyInstance {
  const app = Fastify({
    bodyLimit: 64 * 1024,
    forceCloseConnections: true,
    requestTimeout: 10_000,
    frameworkErrors: (error, request, reply) => respondToError(error, request, reply, log),
  });
  app.addHook('onRequest', async (_, reply) => {
    reply.headers(SECURITY_HEADERS);
  });
  app.setErrorHandler<FastifyError>((error, request, reply) => respondToError(error, request, reply, log));
  app.setNotFoundHandler((_, reply) => sendProblem(reply, 404));
  // A body that comes along is read and dropped, but for routes that say otherwise.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_, payload, done) => {
    payload.resume();
    payload.once('end', () => done(null));
    payload.once('error', done);
  });
  return app;
}

/** Responses with problem details. */
export function sendProblem(
  reply: FastifyReply,
  status: number,
  more: Record<string, unknown> = {},
): FastifyReply {
  const problem = { type: 'about:blank', title: STATUS_CODES[status], status, ...more };
  // As bytes, since Fastify adds a charset to strings, which this media type does not have.
  return reply
    .code(status)
    .type('application/problem+json')
    .send(Buffer.from(JSON.stringify(problem)));
}

function respondToError(error: FastifyError, request: FastifyRequest, reply: FastifyReply, log: Log): void {
  const status = error.statusCode ?? 500;
  // Before a route is found no hook has run.
  reply.headers(SECURITY_HEADERS);
  if (status >= 500)
    log.error({ err: error, method: request.method, url: request.url }, 'the admin failed to answer');
  sendProblem(reply, status);
}

/** Listens, or throws an error that says which setting to change. `section` is where the address was configured. */
export async function listen(
  app: FastifyInstance,
  { host, port }: ListenAddress,
  section: 'admin' | 'status',
): Promise<OperatorServer> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const { code = '', message } = error as NodeJS.ErrnoException;
    const reason = LISTEN_PROBLEMS[code] ?? message;
    throw new Error(
      `${section} cannot listen on ${host}:${port}: ${reason.replaceAll('{section}', section)}`,
      {
        cause: error,
      },
    );
  }
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses this port; stop it or set {section}.port to a free one',
  EACCES: 'this user may not use the port; set {section}.port to one above 1023',
  EADDRNOTAVAIL: 'this machine has no such address; set {section}.host to one of its own, or to 127.0.0.1',
  ENOTFOUND: 'this name has no address; set {section}.host to an address, such as 127.0.0.1',
};
