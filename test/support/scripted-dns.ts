import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { LOOPBACK, reservePort } from './loopback.ts';

/** Says what comes back for a question: datagrams, or pieces of the stream after which it ends. None is silence. */
export type DnsScript = (
  query: Buffer,
  transport: 'udp' | 'tcp',
) => readonly Buffer[] | Promise<readonly Buffer[]>;

/** A name server that answers as no real one would, on UDP and TCP. */
export class ScriptedDns {
  /** Address and port, as a resolver takes them. */
  readonly server: string;
  /** The questions so far, each with the port that it came from. */
  readonly queries: { readonly query: Buffer; readonly port: number; readonly transport: 'udp' | 'tcp' }[] =
    [];
  private readonly udp: UdpSocket;
  private readonly tcp: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(port: number, script: DnsScript) {
    this.server = `${LOOPBACK}:${port}`;
    this.udp = createSocket('udp4').on('message', async (query, from: RemoteInfo) => {
      this.queries.push({ query, port: from.port, transport: 'udp' });
      for (const reply of await script(query, 'udp')) this.udp.send(reply, from.port, from.address);
    });
    this.tcp = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', async (bytes) => {
        const query = bytes.subarray(2);
        this.queries.push({ query, port: socket.remotePort ?? 0, transport: 'tcp' });
        const pieces = await script(query, 'tcp');
        for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
        if (pieces.length > 0) socket.end();
      });
    });
  }

  static async start(script: DnsScript): Promise<ScriptedDns> {
    const port = await reservePort();
    const dns = new ScriptedDns(port, script);
    dns.udp.bind(port, LOOPBACK);
    dns.tcp.listen(port, LOOPBACK);
    await Promise.all([once(dns.udp, 'listening'), once(dns.tcp, 'listening')]);
    return dns;
  }

  /** Waits until it was asked so often. */
  async asked(times: number): Promise<void> {
    while (this.queries.length < times) await new Promise(setImmediate);
  }

  /** How many connections are open. */
  get openStreams(): number {
    return [...this.sockets].filter(({ destroyed }) => !destroyed).length;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.udp.close();
    this.tcp.close();
    await Promise.all([once(this.udp, 'close'), once(this.tcp, 'close')]);
  }
}

/** Asks a real server, and gives its answer as it came. */
export async function askRealDns(server: string, query: Buffer): Promise<Buffer> {
  const [host = '', port] = server.split(':');
  const socket = createSocket('udp4');
  socket.send(query, Number(port), host);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return answer;
}
