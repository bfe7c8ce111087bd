/** One response as it stood on the wire. */
export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  /** By lower-case name; of repeated fields the values joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** The head as it was received. */
  readonly head: string;
  /** Latin1. */
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
  /** The chunks of a chunked body. */
  readonly chunks: readonly string[];
  /** How the end of the body was told. */
  readonly delimiter: 'none' | 'length' | 'chunked' | 'close';
}

/**
 * Reads whole responses out of what a client received, strictly. `methods` are those of the requests, GET where left
 * out. Throws where the text is no whole number of responses.
 */
export function readResponses(received: string, methods: readonly string[] = []): RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = received;
  let finals = 0;
  while (rest !== '') {
    const [response, behind] = readResponse(rest, methods[finals] ?? 'GET');
    responses.push(response);
    if (response.status >= 200) finals++;
    rest = behind;
  }
  return responses;
}

/** Reads exactly one whole final response, interim ones before it left out. */
export function readOnly(received: string, method = 'GET'): RawResponse {
  const [response, ...more] = readResponses(received, [method]).filter(({ status }) => status >= 200);
  if (response === undefined || more.length > 0)
    throw new Error(`not one response: ${JSON.stringify(received)}`);
  return response;
}

/** Tells whether `received` is `count` whole final responses; for `until`. */
export function hasResponses(count: number, methods: readonly string[] = []): (received: string) => boolean {
  return (received) => {
    try {
      const responses = readResponses(received, methods);
      return (
        responses.filter(({ status, delimiter }) => status >= 200 && delimiter !== 'close').length >= count
      );
    } catch {
      return false;
    }
  };
}

function readResponse(text: string, method: string): [RawResponse, string] {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) throw new Error(`the head is not whole: ${JSON.stringify(text)}`);
  const head = text.slice(0, headEnd);
  const match = /^HTTP\/1\.1 (\d{3}) ([^\r\n]*)/.exec(head);
  if (match === null) throw new Error(`no status line: ${JSON.stringify(text.slice(0, 200))}`);
  const status = Number(match[1]);
  const headers = readFields(head.slice(match[0].length));
  const behind = text.slice(headEnd + 4);
  const [body, rest] = readBody(behind, status, method, headers);
  return [{ status, reason: match[2] as string, headers, head, ...body }, rest];
}

type Body = Pick<RawResponse, 'body' | 'trailers' | 'chunks' | 'delimiter'>;

function readBody(
  text: string,
  status: number,
  method: string,
  headers: Record<string, string>,
): [Body, string] {
  const whole = (delimiter: Body['delimiter'], length: number): [Body, string] => {
    if (text.length < length) throw new Error('the body is not whole');
    return [{ body: text.slice(0, length), trailers: {}, chunks: [], delimiter }, text.slice(length)];
  };
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return whole('none', 0);
  if (headers['transfer-encoding'] === 'chunked') return readChunked(text);
  const length = headers['content-length'];
  return length === undefined ? whole('close', text.length) : whole('length', Number(length));
}

function readChunked(text: string): [Body, string] {
  const chunks: string[] = [];
  let at = 0;
  while (true) {
    const line = /^([0-9a-f]+)\r\n/.exec(text.slice(at, at + 20));
    if (line === null) throw new Error(`no chunk at ${JSON.stringify(text.slice(at, at + 40))}`);
    const size = Number.parseInt(line[1] as string, 16);
    at += line[0].length;
    if (size === 0) break;
    chunks.push(text.slice(at, at + size));
    if (text.slice(at + size, at + size + 2) !== '\r\n') throw new Error('the chunk is not whole');
    at += size + 2;
  }
  const end = text.startsWith('\r\n', at) ? at : text.indexOf('\r\n\r\n', at) + 2;
  if (end < 2 || text.length < end + 2) throw new Error('the trailer section is not whole');
  const trailers = readFields(`\r\n${text.slice(at, end)}`);
  return [{ body: chunks.join(''), trailers, chunks, delimiter: 'chunked' }, text.slice(end + 2)];
}

function readFields(lines: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of lines.split('\r\n')) {
    if (line === '') continue;
    const [, name = '', value = ''] = /^([^\s:]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`no header line: ${JSON.stringify(line)}`);
    const key = name.toLowerCase();
    fields[key] = fields[key] === undefined ? value : `${fields[key]}, ${value}`;
  }
  return fields;
}
