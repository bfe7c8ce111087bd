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

  constructor(status: number) {
    super(`the answer has status ${status}`);
    this.name = 'UnexpectedStatus';
    this.status = status;
  }
}

/** Asks for JSON, with bounds on time and size. Follows no redirect, which could lead anywhere. */
export async function fetchJson(url: string, options: FetchJsonOptions): Promise<unknown> {
  const { timeoutMs, signal, method = 'GET', headers, body } = options;
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    headers: { accept: 'application/json', ...headers },
    ...(body !== undefined && { body }),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new UnexpectedStatus(response.status);
  }
  return parseJson(await readBounded(response));
}

/** What JSON.parse says of a mistake quotes the text, which may hold what no log should. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError('the answer is no JSON');
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
