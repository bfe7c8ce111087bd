import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

const USERS = [
  { id: '1', name: 'Ada Lovelace' },
  { id: '2', name: 'Grace Hopper' },
];
const ORDERS = [
  { id: '84', user: '1', total: 149.9 },
  { id: '85', user: '2', total: 12.5 },
];

/** Starts the three services of the demo, on ports 9001 to 9003 of the loopback interface unless told otherwise. */
export async function startServices({
  host = '127.0.0.1',
  ports = [9001, 9002, 9003],
} = {}): Promise<Server[]> {
  const answers = [answerUsers, answerOrders, echo];
  return Promise.all(answers.map((answer, i) => startService(ports[i] as number, host, answer)));
}

function startService(
  port: number,
  host: string,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(answer);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

function answerUsers({ url }: IncomingMessage, response: ServerResponse): void {
  const id = /^\/v1\/people\/([^/?]+)/.exec(url ?? '')?.[1];
  const user = USERS.find((candidate) => candidate.id === id);
  sendJson(response, user ? 200 : 404, user ?? { error: 'no such user' });
}

function answerOrders({ method, url }: IncomingMessage, response: ServerResponse): void {
  if (method === 'POST') return sendJson(response, 201, { id: '86' });
  const user = /^\/of\/([^/?]+)/.exec(url ?? '')?.[1];
  if (user !== undefined)
    return sendSlowly(
      response,
      ORDERS.filter((order) => order.user === user),
    );
  const id = /^\/([^/?]+)/.exec(url ?? '')?.[1];
  const order = ORDERS.find((candidate) => candidate.id === id);
  if (id === undefined) sendJson(response, 200, ORDERS);
  else sendJson(response, order ? 200 : 404, order ?? { error: 'no such order' });
}

/** As a service does that has to look far for it. */
function sendSlowly(response: ServerResponse, orders: readonly object[]): void {
  setTimeout(() => sendJson(response, 200, orders), 300);
}

/** Answers with the request as it arrived; `/echo/events` is a stream of server-sent events. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/echo/events') return sendEvents(response);
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    sendJson(response, 200, { method, url, headers, body: Buffer.concat(chunks).toString() });
  });
}

function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  const timer = setInterval(() => response.write(`data: ${new Date().toISOString()}\n\n`), 1000);
  response.once('close', () => clearInterval(timer));
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(`${JSON.stringify(body, undefined, 2)}\n`);
}
