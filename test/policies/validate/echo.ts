import type { IncomingMessage, RequestListener } from 'node:http';
import { startGateway, startTarget, type TestGatewayOptions } from '../../support/harness.ts';

/** What a service has received. */
export interface Received {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const echo: RequestListener = async (request, response) => {
  const body = await readAll(request);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ url: request.url, headers: request.headers, body: body.toString('latin1') }));
};

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Routes, each a path with the options of its `validate`, in front of a service that tells what it has received. */
export async function startValidating(
  routes: Readonly<Record<string, object>>,
  options: TestGatewayOptions & { readonly answer?: RequestListener; readonly config?: object } = {},
) {
  const target = await startTarget(options.answer ?? echo);
  const config = {
    upstreams: { service: { targets: [target.url] } },
    routes: Object.entries(routes).map(([path, own], i) => ({
      id: `r${i}`,
      path,
      upstream: 'service',
      policies: 'policies' in own ? own.policies : [{ validate: own }],
    })),
    ...options.config,
  };
  const gateway = await startGateway(config as object, options);
  const send = async (
    method: string,
    url: string,
    body?: string | Buffer,
    headers: Record<string, string> | readonly (readonly [string, string])[] = {},
  ) => {
    const given = Array.isArray(headers) ? headers : Object.entries(headers);
    const hasType = given.some(([name]) => name.toLowerCase() === 'content-type');
    const all = [...given, ...(body !== undefined && !hasType ? [['content-type', 'application/json']] : [])];
    const reply = await gateway.gateway.inject({
      method,
      url,
      headers: all as readonly (readonly [string, string])[],
      ...(body !== undefined && { body }),
    });
    const text = reply.body.toString();
    const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { ...reply, text, json, errors: json.errors as Record<string, string>[] | undefined };
  };
  return { gateway, target, send, get: (url: string, headers = {}) => send('GET', url, undefined, headers) };
}
