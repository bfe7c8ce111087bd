import type { Readable } from 'node:stream';
import Fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyPluginCallback,
  type LightMyRequestResponse,
} from 'fastify';
import { GatewayError } from '../core/errors.ts';
import type { OngoingExchange, ResponseSink, Target, TargetRequest } from '../core/message.ts';
import type { Services } from '../core/services.ts';
import { importUserModule } from '../core/user-code/import-user-module.ts';
import { AppLogController, ClientClosedError, createAppLog } from './app-log.ts';
import { toAppHeaders, toResponseHead, toTrailers } from './app-messages.ts';
import { AppRequestBody, type AppRequestBodyOwner } from './app-request-body.ts';

export type AppPlugin = FastifyPluginAsync | FastifyPluginCallback;

export interface AppTargetOptions {
  /** Whose `X-Forwarded-*` the gateway believes; the app sees the same client address. Default: nobody's. */
  readonly trustedProxies?: readonly string[] | undefined;
}

/** A Fastify app in this process, reached like any other target. */
export interface AppTarget extends Target {
  /** Runs the app's `onClose` hooks. Requests that come later are answered 503. */
  close(): Promise<void>;
}

/** `inject` calls from here, so the gateway is the one hop that an app always trusts. */
const GATEWAY_ADDRESS = '127.0.0.1';

/** Starts a Fastify app for `plugin` and makes a target of it. Rejects with what the plugin rejects with. */
export async function createAppTarget(
  name: string,
  plugin: AppPlugin,
  services: Pick<Services, 'clock' | 'log'>,
  options: AppTargetOptions = {},
): Promise<AppTarget> {
  const app = Fastify({
    loggerInstance: createAppLog(services.log, { app: name }),
    logController: new AppLogController(),
    requestIdHeader: 'x-request-id',
    trustProxy: [GATEWAY_ADDRESS, ...(options.trustedProxies ?? [])],
  });
  await app.register(plugin);
  await app.ready();
  return {
    name,
    exchange: (request, sink) =>
      new AppExchange(app as unknown as FastifyInstance, request, sink, services.clock).start(),
    close: () => app.close(),
  };
}

/** Imports a Fastify plugin: the default export of the module at `path`. Rejects with a message that says what to write. */
export async function loadApp(path: string): Promise<AppPlugin> {
  let loaded: { default?: unknown };
  try {
    loaded = await importUserModule(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path}: cannot be loaded as an app: ${reason}`, { cause: error });
  }
  if (typeof loaded.default === 'function') return loaded.default as AppPlugin;
  throw new TypeError(
    `${path}: has no Fastify plugin as its default export — write: export default async function (app) { app.get('/', …) }`,
  );
}

/** One request at an app, from the request's head to the end of the response. */
class AppExchange implements OngoingExchange, AppRequestBodyOwner {
  private readonly app: FastifyInstance;
  private readonly request: TargetRequest;
  private readonly sink: ResponseSink;
  private readonly clock: Services['clock'];
  private readonly requestBody: AppRequestBody;
  private response: LightMyRequestResponse | undefined = undefined;
  private responseBody: Readable | undefined = undefined;
  /** Bytes of the response body that are still due, `undefined` where only its end will tell. */
  private bytesDue: number | undefined = undefined;
  private isPaused = false;
  private hasWholeBody = false;
  private isOver = false;
  private cancelTimeout: (() => void) | undefined = undefined;

  constructor(app: FastifyInstance, request: TargetRequest, sink: ResponseSink, clock: Services['clock']) {
    this.app = app;
    this.request = request;
    this.sink = sink;
    this.clock = clock;
    this.requestBody = new AppRequestBody(request.body, this);
  }

  start(): this {
    const { request } = this;
    if (request.upgrade === 'websocket') {
      this.fail(new GatewayError('GW_UPGRADE_UNSUPPORTED'));
      return this;
    }
    this.onAppsTurn();
    try {
      this.app.inject(
        {
          method: request.method as 'GET',
          url: request.path,
          headers: toAppHeaders(request),
          payload: this.requestBody,
          payloadAsStream: true,
          remoteAddress: GATEWAY_ADDRESS,
          validate: false,
        },
        (error, response) => this.onHead(error, response),
      );
    } catch (error) {
      this.fail(new GatewayError('GW_INTERNAL', { cause: error }));
    }
    return this;
  }

  cancel(): void {
    this.finish(new ClientClosedError());
  }

  // The time for the response head runs while it is the app's turn, not while the client is still sending.

  onAppsTurn(): void {
    if (this.response || this.isOver) return;
    this.cancelTimeout?.();
    this.cancelTimeout = this.clock.after(this.request.responseTimeoutMs, () => {
      this.fail(
        new GatewayError('GW_UPSTREAM_TIMEOUT', {
          cause: 'the app sent no response head before the timeout',
        }),
      );
    });
  }

  onClientsTurn(): void {
    this.cancelTimeout?.();
  }

  onBroken(error: Error): void {
    this.fail(error instanceof GatewayError ? error : new GatewayError('GW_CLIENT_CLOSED', { cause: error }));
  }

  private onHead(error: Error | undefined, response: LightMyRequestResponse | undefined): void {
    if (this.isOver) return;
    this.cancelTimeout?.();
    if (error || !response) {
      const isClosing = (error as { code?: string } | undefined)?.code === 'FST_ERR_REOPENED_CLOSE_SERVER';
      this.fail(
        new GatewayError(isClosing ? 'GW_UPSTREAM_UNREACHABLE' : 'GW_UPSTREAM_BROKEN', { cause: error }),
      );
      return;
    }
    this.response = response;
    const { method } = this.request;
    try {
      const head = toResponseHead(response, method);
      if (method !== 'HEAD' && head.status !== 304) this.bytesDue = head.length;
      this.sink.onDrain = () => this.onDrain();
      this.sink.head(head);
    } catch (cause) {
      this.fail(new GatewayError('GW_UPSTREAM_BROKEN', { cause }));
      return;
    }
    const body = response.stream();
    this.responseBody = body;
    body.on('error', (cause) => this.fail(new GatewayError('GW_UPSTREAM_BROKEN', { cause })));
    body.on('readable', () => this.moveBody());
    body.on('end', () => {
      this.hasWholeBody = true;
      this.endBody();
    });
    this.moveBody();
  }

  private onDrain(): void {
    if (this.isOver) return;
    this.isPaused = false;
    this.moveBody();
    this.endBody();
  }

  private moveBody(): void {
    while (!this.isPaused && !this.isOver) {
      const chunk = this.responseBody?.read() as Buffer | null | undefined;
      if (!chunk) break;
      if (this.bytesDue !== undefined) this.bytesDue -= chunk.length;
      if (this.bytesDue !== undefined && this.bytesDue < 0) {
        this.fail(
          new GatewayError('GW_UPSTREAM_BROKEN', { cause: 'the app sent more than its content-length' }),
        );
        return;
      }
      this.isPaused = !this.sink.write(chunk);
    }
    // What is at hand goes out now, unless the end is at hand too and can travel with it.
    if (!this.isOver && !this.response?.raw.res.writableEnded) this.sink.flush();
  }

  private endBody(): void {
    if (!this.hasWholeBody || this.isPaused || this.isOver) return;
    if (this.bytesDue !== undefined && this.bytesDue !== 0) {
      this.fail(
        new GatewayError('GW_UPSTREAM_BROKEN', { cause: 'the app sent less than its content-length' }),
      );
      return;
    }
    const trailers = this.request.acceptsTrailers ? toTrailers(this.response?.trailers ?? {}) : undefined;
    this.finish();
    this.sink.end(trailers);
  }

  private fail(error: GatewayError): void {
    if (this.isOver) return;
    this.finish(error);
    this.sink.abort(error);
  }

  /** Frees what stands behind the exchange; with an error the app is told by `close` on its request and response. */
  private finish(error?: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cancelTimeout?.();
    this.requestBody.destroy(error);
  }
}
