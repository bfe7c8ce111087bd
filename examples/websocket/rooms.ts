/** A service that says to everybody in a room what one of them said. `node rooms.ts`, on port 9001 or `PORT`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

const server = createServer((_request, response) => {
  response.writeHead(426, { 'content-type': 'text/plain' }).end('speak WebSocket\n');
});
const rooms = new Map<string, Set<WebSocket>>();

new WebSocketServer({ server }).on('connection', (socket, request) => {
  const name = request.url?.split('/').at(-1) ?? '';
  const room = rooms.get(name) ?? new Set();
  rooms.set(name, room.add(socket));
  socket.on('message', (message) => {
    for (const member of room) member.send(`${name}: ${message}`);
  });
  socket.on('close', () => room.delete(socket));
});

server.listen(Number(process.env.PORT ?? 9001), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
