/** Opens connections, asks once on each, says `ready` and holds them: `node bench/idle-client.ts PORT COUNT`. */
import { connect, type Socket } from 'node:net';

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
const AT_ONCE = 50;
const sockets: Socket[] = [];

function openOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /orders/84 HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    sockets.push(socket);
    socket.once('data', () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the proxy closed an idle connection')));
  });
}

async function openMany(share: number): Promise<void> {
  for (let i = 0; i < share; i++) await openOne();
}

await Promise.all(Array.from({ length: AT_ONCE }, () => openMany(Math.ceil(count / AT_ONCE))));
console.log('ready');
// The parent's death ends this process too.
process.stdin.resume().once('end', () => process.exit());
