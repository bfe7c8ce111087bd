import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { StubClock } from '../../observability/stub-clock.ts';
import { startGateway, startTarget, type TestConfig, type TestGateway } from '../../support/harness.ts';
import { LOOPBACK } from '../../support/loopback.ts';

/** What a client got. */
export interface Got {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly code: unknown;
}

export interface Sent {
  readonly path?: string;
  readonly method?: string;
  /** `undefined` for none. */
  readonly key?: string | undefined;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

/** Sends a request on a connection of its own; `leave` ends it before the response is there. */
export function send(port: number, sent: Sent = {}): { got: Promise<Got>; leave(): void } {
  const { path = '/orders', method = 'POST', key = '"k-1"', body = '{"a":1}', headers = {} } = sent;
  const own = 'key' in sent && sent.key === undefined ? {} : { 'idempotency-key': key };
  const all = { 'content-type': 'application/json', ...own, ...headers };
  const request = httpRequest({ host: LOOPBACK, port, path, method, headers: all, agent: false });
  const got = new Promise<Got>((resolve, reject) => {
    request.once('error', reject).once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('error', reject).once('end', () => {
        const isProblem = response.headers['content-type'] === 'application/problem+json';
        const code = isProblem ? (JSON.parse(text) as { code: unknown }).code : undefined;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, code });
      });
    });
  });
  got.catch(() => {});
  request.end(body);
  return { got, leave: () => void request.socket?.resetAndDestroy() };
}

/** Something to wait for, which a test lets happen. */
export function makeGate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

export interface KeyedGateway {
  readonly gateway: TestGateway;
  readonly clock: StubClock;
  /** What the target was asked, in order. */
  readonly asked: readonly IncomingMessage[];
  post(sent?: Sent): Promise<Got>;
}

/** Starts a gateway with the policy before a target that answers 201 with the number of the request unless told otherwise. */
export async function startKeyed(
  options: object,
  answering: (request: IncomingMessage, response: ServerResponse, index: number) => unknown = () => undefined,
  { before = [], behind = [], ...more }: Partial<TestConfig> & { before?: never[]; behind?: never[] } = {},
): Promise<KeyedGateway> {
  const clock = new StubClock();
  const asked: IncomingMessage[] = [];
  const target = await startTarget(async (request, response) => {
    const index = asked.push(request) - 1;
    if ((await answering(request, response, index)) !== undefined) return;
    request.resume();
    response.writeHead(201, { 'content-type': 'text/plain', location: `/orders/${index}` });
    response.end(`order ${index}`);
  });
  const policies = [...before, { 'idempotency-key': options }, ...behind];
  const gateway = await startGateway(
    {
      upstreams: {
        service: { targets: [target.url], retries: { max: 0 }, timeouts: { response: '10m', idle: '10m' } },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service', timeout: '10m', policies }],
      ...more,
    },
    { clock },
  );
  return { gateway, clock, asked, post: (sent) => send(gateway.port, sent).got };
}

/** Policies, as tests write them. */
export const written = (...policies: unknown[]): never[] => policies as never[];
