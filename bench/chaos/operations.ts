/** What clients of bench/chaos.ts do, one function a kind. Each resolves when all came as it should, or rejects with what came instead. */
import { type Agent, type ClientRequest, type IncomingMessage, request as open } from 'node:http';
import { request as openSecure } from 'node:https';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket } from 'ws';

export const EVENTS = 10;
export const EVENT_INTERVAL_MS = 200;
const ECHOES = 25;
const UPLOAD_CHUNKS = 8;
const UPLOAD_CHUNK = Buffer.alloc(64 * 1024, 'x');
const POST_BODY = Buffer.alloc(2000, 'p');
/** Nobody waits longer for an answer or an echo, and then it counts as a failure. Long, for the machine is busy. */
const PATIENCE_MS = 30_000;

/** Where the subject is, and what of it is asked. */
export interface Place {
  readonly port: number;
  readonly securePort?: number | undefined;
}

/** What is known of one operation apart from what came of it. */
export interface Trace {
  /** The client's own port, by which it is known on whose connection it was. */
  localPort?: number | undefined;
  /** Whether it came on a connection that was used before. */
  isReused?: boolean;
}

/** One kind of operation. `path` ends with its id. */
export type Operation = (place: Place, path: string, trace: Trace) => Promise<void>;

/** Asks by GET on a connection of `agent`; without one on a connection of its own. */
export function get(agent: Agent | false): Operation {
  return ({ port }, path, trace) => {
    const request = open({ host: '127.0.0.1', port, path, agent });
    request.end();
    return expectAnswer(request, `${path} 0`, trace);
  };
}

/** Asks by GET with a handshake of its own. */
export const getSecurely: Operation = ({ securePort }, path, trace) => {
  const request = openSecure({
    host: '127.0.0.1',
    servername: 'localhost',
    port: securePort,
    path,
    agent: false,
    rejectUnauthorized: false,
  });
  request.end();
  return expectAnswer(request, `${path} 0`, trace);
};

/** Sends a small body at once. */
export function post(agent: Agent | false): Operation {
  return ({ port }, path, trace) => {
    const headers = { 'content-length': POST_BODY.length };
    const request = open({ host: '127.0.0.1', port, path, agent, method: 'POST', headers });
    request.end(POST_BODY);
    return expectAnswer(request, `${path} ${POST_BODY.length}`, trace);
  };
}

/** Sends a large body slowly, without saying how long it is. */
export const upload: Operation = async ({ port }, path, trace) => {
  const request = open({ host: '127.0.0.1', port, path, agent: false, method: 'POST' });
  const answered = expectAnswer(request, `${path} ${UPLOAD_CHUNKS * UPLOAD_CHUNK.length}`, trace);
  answered.catch(() => {});
  for (let i = 0; i < UPLOAD_CHUNKS && !request.destroyed; i++) {
    request.write(UPLOAD_CHUNK);
    await wait(40);
  }
  request.end();
  await answered;
};

/** Takes events until their end. */
export const takeEvents: Operation = ({ port }, path, trace) => {
  const request = open({ host: '127.0.0.1', port, path, agent: false });
  request.end();
  const events = Array.from({ length: EVENTS }, (_, i) => `data: ${path} ${i}\n\n`);
  return expectAnswer(request, events.join(''), trace);
};

/** Sends messages one after the other, each when the one before has come back. */
export const echo: Operation = async ({ port }, path, trace) => {
  const createConnection = (): Socket => {
    const connection = connect({ host: '127.0.0.1', port });
    return connection.once('connect', () => noteConnection(connection, trace));
  };
  const options = { handshakeTimeout: PATIENCE_MS, createConnection };
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
  try {
    await new Promise<void>((resolve, reject) => {
      let echoes = 0;
      let late: NodeJS.Timeout | undefined;
      const say = (): void => {
        late = setTimeout(() => reject(new Error('no echo in time')), PATIENCE_MS);
        socket.send(`${path} ${echoes}`);
      };
      socket.on('unexpected-response', (_, response) => fail(response, reject));
      socket.on('error', reject);
      socket.on('close', (code) => reject(new Error(`closed with ${code}`)));
      socket.on('open', say);
      socket.on('message', (data) => {
        if (String(data) !== `${path} ${echoes}`) return reject(new Error(`a strange message: ${data}`));
        clearTimeout(late);
        if (++echoes < ECHOES) setTimeout(say, 80);
        else resolve();
      });
    });
  } finally {
    socket.removeAllListeners('close');
    socket.terminate();
  }
};

function expectAnswer(request: ClientRequest, expected: string, trace: Trace): Promise<void> {
  return new Promise((resolve, reject) => {
    request.once('socket', (socket) => {
      trace.isReused = request.reusedSocket;
      if (!socket.connecting) return noteConnection(socket, trace);
      socket.once('connect', () => noteConnection(socket, trace));
    });
    const late = setTimeout(() => request.destroy(new Error('no response before the timeout')), PATIENCE_MS);
    request.once('close', () => clearTimeout(late));
    request.on('error', reject);
    request.once('response', (response) => {
      if (response.statusCode !== 200) return fail(response, reject);
      readText(response).then((text) => {
        if (text === expected) resolve();
        else reject(new Error(`a strange answer: ${text.slice(0, 80)}`));
      }, reject);
    });
  });
}

function fail(response: IncomingMessage, reject: (error: Error) => void): void {
  readText(response).then(
    (text) => {
      const code = /"code":"(\w+)"/.exec(text)?.[1];
      reject(new Error(`status ${response.statusCode}${code === undefined ? '' : ` ${code}`}`));
    },
    (error) => reject(error),
  );
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  return text;
}

function noteConnection(socket: { localPort?: number | undefined }, trace: Trace): void {
  trace.localPort = socket.localPort;
}
