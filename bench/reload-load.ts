/**
 * The other side of bench/reload.ts, a process of its own: the service, the clients, the WebSockets.
 * `node bench/reload-load.ts GATEWAY_PORT SERVICE_PORT`; the message `stop` ends it with the result.
 */
import { Agent, createServer, get } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';

/** What the load saw. */
export interface ReloadLoadResult {
  readonly requests: number;
  readonly failures: number;
  readonly sockets: number;
  readonly cutSockets: number;
  readonly echoes: number;
  /** What went wrong, a line each. */
  readonly reasons: readonly string[];
}

const [gatewayPort = 0, servicePort = 0] = process.argv.slice(2).map(Number);
const CLIENTS = 8;
const SOCKETS = 20;

const reasons: string[] = [];
let requests = 0;
let failures = 0;
let echoes = 0;
let cutSockets = 0;
let isStopping = false;

const service = createServer((_, response) => response.end('{"ok":true}'));
new WebSocketServer({ server: service }).on('connection', (socket) => {
  socket.on('message', (data) => socket.send(data));
});
await new Promise<void>((resolve) => service.listen(servicePort, '127.0.0.1', resolve));

const agent = new Agent({ keepAlive: true });

function ask(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get({ port: gatewayPort, host: '127.0.0.1', path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 && text === '{"ok":true}') resolve();
        else reject(new Error(`status ${response.statusCode}: ${text}`));
      });
    });
    request.on('error', reject);
  });
}

async function keepAsking(): Promise<void> {
  while (!isStopping) {
    requests++;
    await ask(`/routes/${requests % 10}/${requests}`).catch((error: Error) => {
      failures++;
      reasons.push(`request: ${error.message}`);
    });
    // Room for the reloads on a small machine.
    await wait(2);
  }
}

function keepEchoing(): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${gatewayPort}/socket`);
  const say = (): void => socket.send(String(echoes));
  socket.on('open', say);
  socket.on('message', () => {
    echoes++;
    setTimeout(say, 50);
  });
  socket.on('error', (error) => reasons.push(`WebSocket: ${error.message}`));
  socket.on('close', (code) => {
    if (isStopping) return;
    cutSockets++;
    reasons.push(`WebSocket: closed with ${code}`);
  });
  return socket;
}

const sockets = Array.from({ length: SOCKETS }, keepEchoing);
const clients = Array.from({ length: CLIENTS }, keepAsking);

process.once('message', async () => {
  const silent = sockets.filter((socket) => socket.readyState !== WebSocket.OPEN).length;
  isStopping = true;
  await Promise.all(clients);
  const result: ReloadLoadResult = {
    requests,
    failures,
    sockets: SOCKETS,
    cutSockets: Math.max(cutSockets, silent),
    echoes,
    reasons,
  };
  process.send?.(result, () => process.exit());
});
process.once('disconnect', () => process.exit());
