/**
 * The services behind bench/faults.ts, a process of its own: `node bench/fault-targets.ts COUNT`. Takes messages
 * `{ target, mode }` and answers each with `{ ports, served }`, `served` being the requests of each so far.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** What a target does: `dead` refuses and drops, `hung` takes and never answers, `leaving` ends what it began first. */
export type TargetMode = 'well' | 'dead' | 'leaving' | 'hung' | 'slow' | 'failing';

/** What the services tell. */
export interface TargetNews {
  readonly ports: readonly number[];
  readonly served: readonly number[];
}

const LATENCY_MS = 5;
const SLOW_FACTOR = 10;
const FAILING_SHARE = 0.1;

class FaultTarget {
  port = 0;
  served = 0;
  private mode: TargetMode = 'well';
  private server: Server | undefined = undefined;

  async become(mode: TargetMode): Promise<void> {
    this.mode = mode;
    if (mode === 'dead' || mode === 'leaving') return this.stop();
    if (this.server === undefined) await this.listen();
    // A process that hung would have been restarted, so what it held is gone.
    if (mode === 'well') this.server?.closeIdleConnections();
  }

  private async listen(): Promise<void> {
    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      void this.answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  private async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    if (this.mode === 'dead') server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isCheck = request.url === '/healthz';
    if (!isCheck) this.served++;
    if (this.mode === 'hung') return;
    await wait(this.mode === 'slow' ? LATENCY_MS * SLOW_FACTOR : LATENCY_MS);
    if (this.mode === 'failing' && !isCheck && Math.random() < FAILING_SHARE) response.statusCode = 500;
    if (this.mode === 'leaving') response.setHeader('connection', 'close');
    response.end('{"ok":true}');
  }
}

const targets = Array.from({ length: Number(process.argv[2]) }, () => new FaultTarget());
for (const target of targets) await target.become('well');

function tell(): void {
  process.send?.({ ports: targets.map(({ port }) => port), served: targets.map(({ served }) => served) });
}

process.on('message', async (order: { target: number; mode: TargetMode } | 'tell') => {
  if (order !== 'tell') await targets[order.target]?.become(order.mode);
  tell();
});
process.once('disconnect', () => process.exit());
tell();
