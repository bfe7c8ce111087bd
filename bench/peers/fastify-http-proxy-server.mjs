import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import proxy from '@fastify/http-proxy';
import fastify from 'fastify';

const { PORT, BACKEND, ACCESS_LOG, CERT_FILE, KEY_FILE } = process.env;

const app = fastify({
  logger: ACCESS_LOG === '1',
  genReqId: () => randomUUID(),
  keepAliveTimeout: 72_000,
  ...(CERT_FILE && { https: { cert: readFileSync(CERT_FILE), key: readFileSync(KEY_FILE) } }),
});

app.addHook('onSend', (request, reply, _payload, done) => {
  reply.header('x-request-id', request.id);
  done();
});

app.register(proxy, {
  upstream: BACKEND,
  undici: { connections: 64, pipelining: 1 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      'x-forwarded-for': request.ip,
      'x-forwarded-proto': request.protocol,
      'x-forwarded-host': request.headers.host,
      via: '1.1 fastify',
      'x-request-id': request.id,
    }),
  },
});

await app.listen({ port: Number(PORT), host: '127.0.0.1', backlog: 4096 });
