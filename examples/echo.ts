/** A service to try the examples with: tells what it was asked, as JSON. `node echo.ts`, on port 9001 or `PORT`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer(async (request, response) => {
  const { method, url, headers } = request;
  let body = '';
  for await (const chunk of request) body += chunk;
  response.setHeader('content-type', 'application/json');
  response.end(`${JSON.stringify({ method, url, headers, body })}\n`);
});

server.listen(Number(process.env.PORT ?? 9001), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
