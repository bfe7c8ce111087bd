import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { LOOPBACK } from './loopback.ts';

/** A port that does not take connections. */
export interface FullBacklog {
  readonly port: number;
  /** Lets it take connections from now on, and answer each with `200 OK`. */
  open(): void;
  close(): void;
}

/** Listens on a port whose queue of connections is full, so that connecting neither succeeds nor fails. */
export async function fullBacklog(): Promise<FullBacklog> {
  const script = `const s=require('net').createServer(c=>c.on('error',()=>{}).on('data',()=>
      c.write('HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')));
    s.listen({port:0,host:'${LOOPBACK}',backlog:1},()=>{
    require('fs').writeSync(1,String(s.address().port)+'\\n');
    require('fs').readSync(0,Buffer.alloc(1));});`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {});
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const sockets: Socket[] = [];
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
  };
  // What the queue takes connects; the first that does not is followed by none that does.
  for (let i = 0; i < 8; i++) {
    const socket = connect(port, LOOPBACK).on('error', () => {});
    sockets.push(socket);
  }
  await once(sockets[0] as Socket, 'connect');
  await once(sockets[1] as Socket, 'connect');
  return { port, open: () => child.stdin.write('x'), close };
}
