import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../src/core/clock.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../src/upstream/discovery/endpoint-slice.ts';
import type { TestAuthority } from './certificates.ts';
import { EventQueue } from './event-queue.ts';
import { LOOPBACK } from './loopback.ts';

/** A call to the API server. */
export interface KubernetesCall {
  readonly kind: 'list' | 'watch';
  readonly namespace: string;
  readonly query: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
  /** Common name of the client's certificate. */
  readonly clientName: string | undefined;
}

type StoredSlice = EndpointSlice & {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
};

interface Event {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: StoredSlice;
}

interface Watch {
  readonly response: ServerResponse;
  readonly labels: string;
  readonly takesBookmarks: boolean;
}

const API = /^\/apis\/discovery\.k8s\.io\/v1\/namespaces\/([^/]+)\/endpointslices$/;

/**
 * An API server for EndpointSlices that speaks list and watch as Kubernetes documents them ("API concepts"): versions
 * that rise with each write, watches that replay what came after theirs as JSON lines in chunks, bookmarks, 410 for
 * versions that were compacted away (at the start as a status or, as most servers do, as an ERROR event), and an end
 * after `timeoutSeconds`.
 */
export class FakeKubernetes {
  readonly calls = new EventQueue<KubernetesCall>();
  /** Answers all calls with this status, as with 500 or 403. */
  failWith: number | undefined = undefined;
  /** Tokens that are good. Left empty, all are, and none too. */
  tokens: readonly string[] = [];
  /** Takes calls and never answers. */
  hangs = false;
  /** Lets watches go on after `timeoutSeconds`, as one does whose connection died without a word. */
  ignoresTimeouts = false;
  /** How a version that is too old is refused. */
  refusesOldVersions: 'by-status' | 'by-event' = 'by-event';
  private readonly server: Server;
  private readonly clock: Clock;
  private readonly slices = new Map<string, StoredSlice>();
  private readonly watches = new Set<Watch>();
  private events: Event[] = [];
  private version = 100;
  private compacted = 0;

  private constructor(server: Server, clock: Clock) {
    this.server = server;
    this.clock = clock;
  }

  static async start(authority: TestAuthority, clock: Clock): Promise<FakeKubernetes> {
    const { cert, key } = await authority.issue();
    const server = createServer({
      cert,
      key,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const fake = new FakeKubernetes(server, clock);
    server.on('request', (request, response) => fake.answer(request, response));
    await fake.listen(0);
    return fake;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://${LOOPBACK}:${this.port}`;
  }

  /** Resolves when the last watch's connection is gone. */
  async allClosed(): Promise<void> {
    await Promise.all([...this.watches].map(({ response }) => once(response, 'close')));
  }

  /** Writes a slice, and tells all watches. */
  put(
    name: string,
    endpoints: readonly Endpoint[] | null,
    more: { service?: string; addressType?: string; ports?: readonly EndpointPort[] | null } = {},
  ): void {
    const { service = 'orders', addressType = 'IPv4', ports = [{ name: 'http', port: 8080 }] } = more;
    const type = this.slices.has(name) ? 'MODIFIED' : 'ADDED';
    const version = ++this.version;
    const metadata = {
      name,
      resourceVersion: String(version),
      labels: { 'kubernetes.io/service-name': service },
    };
    const object: StoredSlice = { metadata, addressType, endpoints, ports };
    this.slices.set(name, object);
    this.publish({ version, type, object });
  }

  delete(name: string): void {
    const slice = this.slices.get(name);
    if (slice === undefined) throw new Error(`there is no slice '${name}'`);
    this.slices.delete(name);
    const version = ++this.version;
    const metadata = { ...slice.metadata, resourceVersion: String(version) };
    this.publish({ version, type: 'DELETED', object: { ...slice, metadata } });
  }

  /** Writes something that no watch asked for, which moves the version on. */
  writeSomethingElse(): void {
    this.version++;
  }

  /** Tells watches that asked for it the version they have seen all up to. */
  bookmark(): void {
    const object = { kind: 'EndpointSlice', metadata: { resourceVersion: String(this.version) } };
    for (const { response, takesBookmarks } of this.watches) {
      if (takesBookmarks) writeLine(response, { type: 'BOOKMARK', object });
    }
  }

  /** Forgets all events so far: watches from before are refused. */
  compact(): void {
    this.events = [];
    this.compacted = this.version;
  }

  /** Sends an error into all watches, as a server does that lost its storage, and ends them. */
  sendError(code: number, message: string): void {
    for (const { response } of this.watches) {
      writeLine(response, { type: 'ERROR', object: statusOf(code, message) });
      response.end();
    }
  }

  /** Sends bytes as they are into all watches. */
  sendRaw(bytes: string): void {
    for (const { response } of this.watches) response.write(bytes);
  }

  /** Ends all watches in good order. */
  endWatches(): void {
    for (const { response } of this.watches) response.end();
  }

  /** Cuts all connections, where `inLine` says so in the middle of an event. */
  cut({ inLine = false } = {}): void {
    if (!inLine) return this.server.closeAllConnections();
    for (const { response } of this.watches) {
      response.write('{"type":"MODIFIED","object":{"metadata":{"na', () => response.destroy());
    }
  }

  /** Stops listening and cuts what stands. `listen` begins again on the same port. */
  async stop(): Promise<number> {
    const { port } = this;
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
    return port;
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.server.listen(port, LOOPBACK, resolve));
  }

  private publish(event: Event): void {
    this.events.push(event);
    for (const watch of this.watches) send(watch, event);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url);
    const namespace = API.exec(url.pathname)?.[1];
    const query = Object.fromEntries(url.searchParams);
    const kind = query.watch === '1' || query.watch === 'true' ? 'watch' : 'list';
    const { authorization } = request.headers;
    const clientName = (request.socket as TLSSocket).getPeerCertificate()?.subject?.CN;
    this.calls.push({
      kind,
      namespace: namespace ?? '',
      query,
      authorization,
      clientName: Array.isArray(clientName) ? clientName[0] : clientName,
    });
    const token = authorization?.replace(/^Bearer /, '') ?? '';
    if (this.hangs) return;
    if (namespace === undefined) return refuse(response, 404, 'not found');
    if (this.tokens.length > 0 && !this.tokens.includes(token)) return refuse(response, 401, 'Unauthorized');
    if (this.failWith !== undefined) return refuse(response, this.failWith, 'failed');
    if (kind === 'list') this.list(query, response);
    else this.watch(query, response);
  }

  private list(query: Readonly<Record<string, string>>, response: ServerResponse): void {
    const items = [...this.slices.values()].filter((slice) => matches(slice, query.labelSelector ?? ''));
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        kind: 'EndpointSliceList',
        apiVersion: 'discovery.k8s.io/v1',
        metadata: { resourceVersion: String(this.version) },
        items,
      }),
    );
  }

  private watch(query: Readonly<Record<string, string>>, response: ServerResponse): void {
    const from = Number(query.resourceVersion);
    const isTooOld = from < this.compacted;
    if (isTooOld && this.refusesOldVersions === 'by-status') return refuse(response, 410, 'too old');
    response.setHeader('content-type', 'application/json');
    response.flushHeaders();
    if (isTooOld) {
      writeLine(response, { type: 'ERROR', object: statusOf(410, `too old resource version: ${from}`) });
      response.end();
      return;
    }
    const watch: Watch = {
      response,
      labels: query.labelSelector ?? '',
      takesBookmarks: query.allowWatchBookmarks === 'true',
    };
    this.watches.add(watch);
    const lifeMs = this.ignoresTimeouts ? Number.POSITIVE_INFINITY : Number(query.timeoutSeconds) * 1000;
    const cancel = this.clock.after(lifeMs, () => response.end());
    response.on('close', () => {
      cancel();
      this.watches.delete(watch);
    });
    for (const event of this.events) if (event.version > from) send(watch, event);
  }
}

function send({ response, labels }: Watch, { type, object }: Event): void {
  if (matches(object, labels)) writeLine(response, { type, object });
}

function matches({ metadata }: StoredSlice, selector: string): boolean {
  const [label = '', value] = selector.split('=');
  return selector === '' || metadata.labels[label] === value;
}

function writeLine(response: ServerResponse, value: unknown): void {
  response.write(`${JSON.stringify(value)}\n`);
}

function refuse(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(statusOf(code, message)));
}

function statusOf(code: number, message: string): object {
  const reason = code === 410 ? 'Expired' : 'Failure';
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}
