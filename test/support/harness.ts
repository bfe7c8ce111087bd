/**
 * The harness for real sockets: targets, a gateway and clients on ports of `LOOPBACK`.
 *
 * What is started within a test ends with it, last first. What is started in `beforeAll` is closed by who started it.
 */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, TestRunner } from 'vitest';
import type { GatewayInput } from '../../src/config/schema/schema.ts';
import type { Clock } from '../../src/core/clock.ts';
import { createGateway } from '../../src/gateway/create-gateway.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { makeCertificates } from './certificates.ts';
import { LOOPBACK } from './loopback.ts';
import { SPEAKS_TLS } from './raw-client.ts';

export { RawClient, rawRequest, SPEAKS_TLS } from './raw-client.ts';

/** An HTTP server that plays a service behind the gateway. */
export interface TestTarget {
  readonly port: number;
  readonly url: string;
  readonly server: Server;
  /** The requests so far, in the order they came. Their bodies are left to the handler. */
  readonly requests: readonly IncomingMessage[];
  /** Waits for request number `index`. */
  request(index: number): Promise<IncomingMessage>;
  close(): Promise<void>;
}

/** A TCP server that plays a service byte by byte. */
export interface RawServer {
  readonly port: number;
  readonly url: string;
  /** The connections so far, in the order they came. */
  readonly sockets: readonly Socket[];
  /** Waits for connection number `index`. */
  socket(index: number): Promise<Socket>;
  close(): Promise<void>;
}

export interface TestGateway {
  readonly gateway: Gateway;
  /** The port of the first listener. */
  readonly port: number;
  /** The ports of all listeners. */
  readonly ports: readonly number[];
  readonly url: string;
  /** The admin port. Its token is `ADMIN_TOKEN` unless the configuration says otherwise. */
  readonly adminPort: number;
  readonly configFile: string;
  /** The folder of the configuration file, for files that it names. */
  readonly folder: string;
  readonly log: MemoryDestination;
  /** The access log's lines, parsed. */
  accessLog(): Record<string, unknown>[];
  /** Writes another configuration to the file. Reloading is up to the test. */
  rewrite(config: TestConfig): Promise<void>;
  close(): Promise<void>;
}

/** A configuration, in which `listeners`, `admin`, `drain` and all hosts to listen on may be left out. */
export type TestConfig = Omit<GatewayInput, 'listeners'> & Partial<Pick<GatewayInput, 'listeners'>>;

export interface TestGatewayOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Whether a rewritten file is taken up by itself. Default: false. */
  readonly watch?: boolean;
  /** Files beside the configuration: from the name to the content. */
  readonly files?: Readonly<Record<string, string>>;
  /** Time for the gateway, which then passes only as the test says. Default: the machine's. */
  readonly clock?: Clock & { advance(ms: number): void };
}

export const ADMIN_TOKEN = 'test-admin-token';

/** Starts a target. Without a handler it answers 200 with what it was asked, as JSON. */
export async function startTarget(handler: RequestListener = describeRequest): Promise<TestTarget> {
  const requests = new Arrivals<IncomingMessage>();
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    requests.add(request);
    // A handler that waits for a request that breaks, breaks with it.
    void Promise.resolve(handler(request, response)).catch(() => response.destroy());
  });
  const port = await listen(server);
  return endWithTest({
    port,
    url: `http://${LOOPBACK}:${port}`,
    server,
    requests: requests.all,
    request: (index) => requests.at(index),
    async close() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  });
}

/** Starts a target that is nothing but sockets, half-open ones included. */
export async function startRawTarget(onSocket: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Arrivals<Socket>();
  const server = createNetServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    sockets.add(socket);
    onSocket(socket);
  });
  const port = await listen(server);
  return endWithTest({
    port,
    url: `http://${LOOPBACK}:${port}`,
    sockets: sockets.all,
    socket: (index) => sockets.at(index),
    async close() {
      for (const socket of sockets.all) socket.destroy();
      const closed = once(server, 'close');
      if (!server.listening) return;
      server.close();
      await closed;
    },
  });
}

/** Starts a gateway on a configuration file of its own. */
export async function startGateway(
  config: TestConfig,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  const configFile = join(folder, 'sallyport.json');
  for (const [name, content] of Object.entries(options.files ?? {}))
    await writeFile(join(folder, name), content);
  const rewrite = async (next: TestConfig) =>
    writeFile(configFile, JSON.stringify(await withTestDefaults(next)));
  await rewrite(config);
  const log = new MemoryDestination();
  const { env = {}, watch = false, clock } = options;
  const gateway = await createGateway({
    configFile,
    env,
    watch,
    logDestination: log,
    ...(clock && { clock }),
  });
  await gateway.start();
  const port = gateway.ports[0] as number;
  return endWithTest({
    gateway,
    port,
    ports: gateway.ports,
    url: `http://${LOOPBACK}:${port}`,
    adminPort: gateway.operatorPorts[0] as number,
    configFile,
    folder,
    log,
    accessLog: () => log.lines().filter(({ msg }) => msg === 'request' || msg === 'malformed request'),
    rewrite,
    async close() {
      const passing = setInterval(() => clock?.advance(1000), 5);
      await gateway.close();
      clearInterval(passing);
      await rm(folder, { recursive: true, force: true });
    },
  });
}

/** Starts a gateway of which every path goes to one target. */
export function startGatewayTo(
  target: { readonly url: string },
  config: TestConfig & { limits?: NonNullable<GatewayInput['listeners'][number]['limits']> } = {},
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const { limits, ...rest } = config;
  return startGateway(
    {
      listeners: [{ host: LOOPBACK, port: 0, ...(limits && { limits }) }],
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
      ...rest,
    },
    options,
  );
}

/** Waits until the gateway lets go of a connection of a raw target, by FIN or by reset. */
export async function released(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    if (socket.readableEnded || socket.destroyed) return resolve();
    socket.once('end', resolve).once('close', resolve);
  });
}

/** Reads a request's or answer's body whole. */
export async function readAll(message: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Answers 200 with method, URL, headers and body as JSON. */
export const describeRequest: RequestListener = async (request, response) => {
  const { method, url, headers } = request;
  const body = (await readAll(request)).toString();
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method, url, headers, body }));
};

async function withTestDefaults(config: TestConfig): Promise<GatewayInput> {
  const { listeners = [{ port: 0 }], status } = config;
  const onLoopback = listeners.map((listener) => ({ host: LOOPBACK, ...listener }));
  return {
    ...config,
    listeners: SPEAKS_TLS ? await withTls(onLoopback) : onLoopback,
    ...(status && { status: { host: LOOPBACK, ...status } }),
    admin: { host: LOOPBACK, port: 0, token: ADMIN_TOKEN, ...config.admin },
    drain: { delay: '0s', timeout: '0s', ...config.drain },
  };
}

async function withTls(listeners: GatewayInput['listeners']): Promise<GatewayInput['listeners']> {
  const { certFile, keyFile } = await (await makeCertificates()).issue();
  return listeners.map((listener) => ({ ...listener, tls: { certificates: [{ certFile, keyFile }] } }));
}

/** Closes `resource` after the test under way, if there is one. Closing twice is closing once. */
function endWithTest<Resource extends { close(): Promise<void> }>(resource: Resource): Resource {
  let closing: Promise<void> | undefined;
  const once = (): Promise<void> => {
    closing ??= resource.close();
    return closing;
  };
  if (TestRunner.getCurrentTest() !== undefined) onTestFinished(once);
  return { ...resource, close: once };
}

async function listen(server: {
  listen(port: number, host: string, onListening: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return (server.address() as AddressInfo).port;
}

/** Things that come one after the other and can be waited for. */
class Arrivals<Item> {
  readonly all: Item[] = [];
  private waiting: (() => void)[] = [];

  add(item: Item): void {
    this.all.push(item);
    for (const wake of this.waiting.splice(0)) wake();
  }

  async at(index: number): Promise<Item> {
    while (this.all.length <= index) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.all[index] as Item;
  }
}
