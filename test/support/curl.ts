import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { LOOPBACK } from './loopback.ts';

/** A line of an example's header: the command and what it promises. */
export interface CurlLine {
  readonly command: string;
  readonly status: number;
  /** What the answer, header included, holds. */
  readonly text: string;
}

/** Finds the lines such as `#   curl -i localhost:8080/a   200: hello` in the text of an example. */
export function findCurlLines(text: string): CurlLine[] {
  return [...text.matchAll(/^(?:#|\/\/) +(curl .+?) {2,}(\d{3}): (.+)$/gm)].map((match) => ({
    command: match[1] as string,
    status: Number(match[2]),
    text: match[3] as string,
  }));
}

/** Does on `port` what a curl command says, as far as the examples need it, and gives the answer as `curl -i` does. */
export async function runCurl(command: string, port: number): Promise<{ status: number; text: string }> {
  const words = splitWords(command).slice(1);
  const url = new URL(`http://${words.find((word) => word.startsWith('localhost'))}`);
  const valuesOf = (option: string) => words.filter((_, i) => words[i - 1] === option);
  const [body] = valuesOf('-d');
  const [method = body === undefined ? 'GET' : 'POST'] = valuesOf('-X');
  const given = valuesOf('-H').map((field) => field.split(/: (.*)/).slice(0, 2) as [string, string]);
  const users = valuesOf('-u').map((user) => ['authorization', `Basic ${btoa(user)}`] as const);
  const headers = { host: 'localhost:8080', ...Object.fromEntries([...given, ...users]) };
  const path = url.pathname + url.search;
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: LOOPBACK, port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = `${headerLines(response.headers)}\n${Buffer.concat(chunks)}`;
        resolve({ status: response.statusCode ?? 0, text });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Splits at spaces outside of single quotes. */
function splitWords(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? (match[2] as string));
}

function headerLines(headers: IncomingHttpHeaders): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}
