import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { MemorySocket } from './memory-socket.ts';
import { type Outcome, pairs, type TakenMessage } from './taken.ts';

/** Asks Node's own HTTP server, strict as it comes or lenient, what it makes of streams of bytes. */
export class NodeServerOracle {
  private readonly server: Server;
  private messages: TakenMessage[] = [];
  private isRejected = false;

  constructor({ isLenient = false } = {}) {
    this.server = createServer({ insecureHTTPParser: isLenient });
    const take = (request: IncomingMessage, response: ServerResponse): void => this.take(request, response);
    this.server.on('request', take);
    this.server.on('checkContinue', take);
    this.server.on('checkExpectation', take);
    this.server.on('clientError', (_error, socket) => {
      this.isRejected = true;
      socket.destroy();
    });
  }

  /** Gives `pieces` to a new connection, each as one read. One stream at a time. */
  async serve(pieces: readonly Buffer[]): Promise<Outcome> {
    const socket = new MemorySocket();
    this.messages = [];
    this.isRejected = false;
    this.server.emit('connection', socket);
    for (const piece of pieces) {
      if (!socket.destroyed) socket.emit('data', piece);
    }
    await setImmediate();
    // It answers 400 by itself where Host is missing.
    const isRejected = this.isRejected || socket.destroyed || /^HTTP\/1\.1 4/m.test(socket.sent);
    socket.destroy();
    return { messages: this.messages, isRejected };
  }

  close(): void {
    this.server.close();
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const taken: TakenMessage = {
      line: `${request.method} ${request.url} ${request.httpVersion}`,
      headers: pairs(request.rawHeaders),
      body: '',
      trailers: [],
      isComplete: false,
    };
    this.messages.push(taken);
    // Taken at the source: as a stream they would come a turn later.
    request.push = (chunk: Buffer | null): boolean => {
      if (chunk !== null) taken.body += chunk.toString('latin1');
      else {
        taken.isComplete = true;
        taken.trailers = pairs(request.rawTrailers);
        response.end();
      }
      return true;
    };
  }
}
