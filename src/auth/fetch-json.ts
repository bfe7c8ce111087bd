import { type IncomingMessage, request as requestOverHttp } from 'node:http';
import { request as requestOverHttps } from 'node:https';
import { lookUpName } from '../core/network/name-lookup.ts';
import { parseExactJson } from './exact-json.ts';

/** Largest answer that is read. */
const MAX_BYTES = 150_000;

export interface FetchJsonOptions {
  readonly timeoutMs: number;
  /** Ends the question early. */
  readonly signal: AbortSignal;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A response with another status than 200. */
export class UnexpectedStatus extends Error {
  readonly status: number;
  /** What OAuth calls the error (RFC 6749 §5.2), where the response says so. */
  readonly error: string | undefined;

  constructor(status: number, error: string | undefined) {
    super(`the response has status ${status}${error === undefined ? '' : `: ${error}`}`);
    this.name = 'UnexpectedStatus';
    this.status = status;
    this.error = error;
  }
}

/** Asks for JSON, with bounds on time and size. Follows no redirect, which could lead anywhere. */
export async function fetchJson(url: string, options: FetchJsonOptions): Promise<unknown> {
  const { timeoutMs, signal, method = 'GET', headers, body } = options;
  const response = await ask(url, {
    method,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
      ...headers,
    },
    body,
  });
  const status = response.statusCode ?? 0;
  if (status !== 200) throw new UnexpectedStatus(status, await readError(response));
  return parseJson(await readBounded(response));
}

interface Question {
  readonly method: string;
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Not by `fetch`, which looks names up on the threads that files need: a name server that is silent would stop those. */
function ask(url: string, { method, signal, headers, body }: Question): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const open = url.startsWith('https:') ? requestOverHttps : requestOverHttp;
    const question = open(url, { method, signal, headers, lookup: lookUpName }, resolve);
    question.once('error', (error: NodeJS.ErrnoException) => {
      // A connection that was kept may end as it is used again. Asking twice does nothing twice.
      if (question.reusedSocket && error.code === 'ECONNRESET')
        ask(url, { method, signal, headers, body }).then(resolve, reject);
      else reject(error);
    });
    question.end(body);
  });
}

/** What JSON.parse says of a mistake quotes the text, which may hold what no log should. */
function parseJson(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    throw new SyntaxError('the response is not JSON');
  }
}

/** Error codes are words without spaces; anything else may quote what was sent. */
async function readError(response: IncomingMessage): Promise<string | undefined> {
  try {
    const { error } = Object(parseJson(await readBounded(response))) as { error?: unknown };
    return typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : undefined;
  } catch {
    return undefined;
  }
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the rest.
  for await (const chunk of response) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new RangeError(`the response is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}
