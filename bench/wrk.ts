import { spawn } from 'node:child_process';

/** What one run of wrk saw. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx and 3xx, and broken connections. */
  readonly failures: number;
}

/** What wrk asks for. */
export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly core: number;
  /** A Lua script that shapes the requests. */
  readonly script?: string;
  /** Header fields besides those of a browser. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** The header fields of a browser's request: eight with `Host`. */
const HEADERS: readonly string[] = [
  'Accept: application/json, text/plain, */*',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.7',
  'Cache-Control: no-cache',
  'Referer: https://app.example.com/orders',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Cookie: theme=dark; session=3d5c2f0a9b7e4d12',
];

/** Loads `url` over keep-alive connections from one thread of wrk. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { url, connections, seconds, core, script, fields = {} } = options;
  const args = [
    '-c',
    String(core),
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '--timeout',
    '10s',
  ];
  const output = await collect('taskset', [
    ...args,
    ...HEADERS.flatMap((header) => ['-H', header]),
    ...Object.entries(fields).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...(script ? ['-s', script] : []),
    url,
  ]);
  return parseOutput(output);
}

function collect(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`wrk ended with exit code ${code}:\n${output}`)),
    );
  });
}

function parseOutput(output: string): LoadResult {
  const [, requests, seconds, unit] = /(\d+) requests in ([\d.]+)(ms|s|m)\b/.exec(output) ?? [];
  if (requests === undefined) throw new Error(`wrk said something unexpected:\n${output}`);
  const socketErrors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output) ?? [];
  const badAnswers = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  return {
    requests: Number(requests),
    seconds: toMs(`${seconds}${unit}`) / 1000,
    p50Ms: toMs(/\s50%\s+(\S+)/.exec(output)?.[1]),
    p99Ms: toMs(/\s99%\s+(\S+)/.exec(output)?.[1]),
    failures: badAnswers + socketErrors.slice(1).reduce((sum, count) => sum + Number(count), 0),
  };
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function toMs(text = ''): number {
  const [, number, unit = 's'] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  return Number(number) * (MS_PER_UNIT[unit] as number);
}
