import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { startGateway } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';

/** A service that can be restarted: it ends what it began, answers `connection: close` meanwhile, and is gone for a while. */
class RestartingTarget {
  readonly url: string;
  served = 0;
  private readonly port: number;
  private server = createServer();
  private isLeaving = false;

  private constructor(port: number) {
    this.port = port;
    this.url = `http://${LOOPBACK}:${port}`;
  }

  static async start(): Promise<RestartingTarget> {
    const target = new RestartingTarget(await reservePort());
    await target.listen();
    onTestFinished(() => target.stop());
    return target;
  }

  async listen(): Promise<void> {
    this.isLeaving = false;
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise<void>((resolve) => this.server.listen(this.port, LOOPBACK, resolve));
  }

  async stop(): Promise<void> {
    this.isLeaving = true;
    if (!this.server.listening) return;
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeIdleConnections();
    await closed;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    this.served++;
    request.resume();
    if (this.isLeaving) response.setHeader('connection', 'close');
    response.write('half');
    setImmediate(() => response.end(' and half'));
  }
}

it('a restart of all targets, one after the other, fails no request', async () => {
  const targets = [
    await RestartingTarget.start(),
    await RestartingTarget.start(),
    await RestartingTarget.start(),
  ];
  const { url, gateway } = await startGateway({
    upstreams: { service: { targets: targets.map((target) => target.url) } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  });
  const outcomes: string[] = [];
  let isOver = false;
  // As many as may be repeated at a time whatever the budget.
  const counts = [0, 0, 0];
  const load = async (_: unknown, client: number): Promise<void> => {
    while (!isOver) {
      outcomes.push(await fetch(url).then((response) => response.text(), String));
      (counts[client] as number)++;
    }
  };
  const loads = counts.map(load);
  /** Waits until every client has so many more answers, so that none has met the restart before this one too. */
  const pass = async (count: number): Promise<void> => {
    const wanted = counts.map((before) => before + count);
    while (counts.some((now, client) => now < (wanted[client] as number))) await new Promise(setImmediate);
  };
  for (let round = 0; round < 2; round++) {
    for (const target of targets) {
      await pass(6);
      await target.stop();
      await pass(12);
      await target.listen();
    }
  }
  await pass(6);
  isOver = true;
  await Promise.all(loads);
  expect(outcomes.filter((outcome) => outcome !== 'half and half')).toEqual([]);
  for (const { served } of targets) expect(served).toBeGreaterThan(0);
  const { upstreams } = await gateway.describe();
  expect(upstreams[0]?.targets.map(({ activeRequests }) => activeRequests)).toEqual([0, 0, 0]);
});
