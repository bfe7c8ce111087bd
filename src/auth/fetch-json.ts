import type { Agent, Response } from 'undici';
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

/** An answer with another status than 200. */
export class UnexpectedStatus extends Error {
  readonly status: number;
  /** What OAuth calls the error (RFC 6749 §5.2), where the answer says so. */
  readonly error: string | undefined;

  constructor(status: number, error: string | undefined) {
    super(`the answer has status ${status}${error === undefined ? '' : `: ${error}`}`);
    this.name = 'UnexpectedStatus';
    this.status = status;
    this.error = error;
  }
}

let agent: Agent | undefined;

/** Asks for JSON, with bounds on time and size. Follows no redirect, which could lead anywhere. */
export async function fetchJson(url: string, options: FetchJsonOptions): Promise<unknown> {
  const { timeoutMs, signal, method = 'GET', headers, body } = options;
  // Not Node's own, which looks names up on the threads that files need: a name server that is silent would stop those.
  const undici = await import('undici');
  agent ??= new undici.Agent({ connect: { lookup: lookUpName } });
  const response = await undici.fetch(url, {
    dispatcher: agent,
    method,
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    headers: { accept: 'application/json', ...headers },
    ...(body !== undefined && { body }),
  });
  if (response.status !== 200) throw new UnexpectedStatus(response.status, await readError(response));
  return parseJson(await readBounded(response));
}

/** What JSON.parse says of a mistake quotes the text, which may hold what no log should. */
function parseJson(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    throw new SyntaxError('the answer is no JSON');
  }
}

/** Error codes are words without spaces; anything else may quote what was sent. */
async function readError(response: Response): Promise<string | undefined> {
  try {
    const { error } = Object(parseJson(await readBounded(response))) as { error?: unknown };
    return typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : undefined;
  } catch {
    return undefined;
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the rest.
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new RangeError(`the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}
