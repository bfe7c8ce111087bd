import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../src/core/clock.ts';
import { EventQueue } from './event-queue.ts';
import { LOOPBACK } from './loopback.ts';

/** An instance of a service, as Consul's health endpoint lists it. */
export interface ConsulEntry {
  readonly Node?: { readonly Address?: string };
  readonly Service: {
    readonly Address?: string;
    readonly Port?: number;
    readonly Weights?: { readonly Passing: number; readonly Warning: number };
  };
}

export interface ConsulCall {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly token: string | undefined;
}

/** A Consul agent that answers blocking queries for the health of services. */
export class FakeConsul {
  readonly calls = new EventQueue<ConsulCall>();
  /** Sent as `X-Consul-Index`. Consul counts up, and anew after its state was restored. */
  index = 10;
  /** Answers with this instead. */
  reply: { readonly status: number; readonly body: string } | undefined = undefined;
  /** Takes calls and never answers. */
  hangs = false;
  private readonly server: Server;
  private readonly clock: Clock;
  private readonly blocked = new Set<() => void>();
  private entries: readonly ConsulEntry[] = [];

  private constructor(server: Server, clock: Clock) {
    this.server = server;
    this.clock = clock;
  }

  static async start(clock: Clock): Promise<FakeConsul> {
    const server = createServer();
    const fake = new FakeConsul(server, clock);
    server.on('request', (request, response) => fake.answer(request, response));
    await fake.listen(0);
    return fake;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${LOOPBACK}:${this.port}`;
  }

  /** Changes the passing instances, which answers all who wait. */
  set(entries: readonly ConsulEntry[], index = this.index + 1): void {
    this.entries = entries;
    this.index = index;
    this.answerBlocked();
  }

  answerBlocked(): void {
    for (const answer of [...this.blocked]) answer();
  }

  /** Resolves when the connections of all who wait are gone. */
  async allClosed(): Promise<void> {
    while (this.blocked.size > 0) await once(this.server, 'call-closed');
  }

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

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url);
    const query = Object.fromEntries(url.searchParams);
    const token = request.headers['x-consul-token'];
    if (!this.hangs && this.blocks(query)) this.block(query, response);
    else if (!this.hangs) this.send(response);
    // After the call was taken in, so that who sees it can count on that.
    this.calls.push({ path: url.pathname, query, token: Array.isArray(token) ? token[0] : token });
  }

  private blocks(query: Readonly<Record<string, string>>): boolean {
    return this.reply === undefined && query.index !== undefined && Number(query.index) >= this.index;
  }

  private block(query: Readonly<Record<string, string>>, response: ServerResponse): void {
    const answer = (): void => {
      leave();
      this.send(response);
    };
    const cancel = this.clock.after(Number.parseFloat(query.wait ?? '300s') * 1000, answer);
    const leave = (): void => {
      cancel();
      this.blocked.delete(answer);
      this.server.emit('call-closed');
    };
    this.blocked.add(answer);
    response.on('close', leave);
  }

  private send(response: ServerResponse): void {
    response.setHeader('x-consul-index', this.index);
    response.statusCode = this.reply?.status ?? 200;
    response.end(this.reply?.body ?? JSON.stringify(this.entries));
  }
}
