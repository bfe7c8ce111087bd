import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Installed } from './layouts.ts';
import { run, shellEnvironment } from './run.ts';

const STAMP = `\
import { definePolicy, GatewayError, HeaderList } from 'sallyport';
import { z } from 'zod';

export const stamp = definePolicy({
  name: 'acme/stamp',
  options: z.strictObject({ value: z.string() }),
  create: ({ value }: { value: string }) => ({
    onRequest(exchange) {
      if (exchange.headers.has('x-refuse')) throw new GatewayError('GW_FORBIDDEN', { reason: 'asked' });
      if (!(exchange.headers instanceof HeaderList)) throw new Error('two copies of sallyport');
    },
    onResponse: (_, head) => void head.headers.set('x-stamp', value),
  }),
});
`;
const APP = `\
import Fastify from 'fastify';

export default async function app(instance: { get(path: string, handler: () => object): void }) {
  instance.get('/hello', () => ({ fastify: typeof Fastify }));
}
`;
const AUTH = `\
import { defineAuthService } from 'sallyport';

export default defineAuthService({
  verifyToken: (token: string) => (token === 'good' ? { sub: 'ada' } : undefined),
});
`;
const IN_YAML = `\
listeners: [{ port: 0, host: 127.0.0.1 }]
admin: { port: 0 }
drain: { delay: 0s }
customPolicies: { acme/stamp: ./code/stamp.ts }
authServices: { main: { code: ./code/auth.ts } }
upstreams: { app: { app: ./code/app.ts } }
policies: [{ acme/stamp: { value: given } }]
routes: [{ id: hello, path: /hello, upstream: app, policies: [jwt] }]
`;
const IN_TYPESCRIPT = `\
import { defineGateway, usePolicy } from 'sallyport';
import app from './code/app.ts';
import main from './code/auth.ts';
import { stamp } from './code/stamp.ts';

export default defineGateway({
  listeners: [{ port: 0, host: '127.0.0.1' }],
  admin: { port: 0 },
  drain: { delay: '0s' },
  customPolicies: { 'acme/stamp': stamp },
  authServices: { main: { code: main } },
  upstreams: { app: { app } },
  policies: [usePolicy(stamp, { value: 'given' })],
  routes: [{ id: 'hello', path: '/hello', upstream: 'app', policies: ['jwt'] }],
});
`;

/** Checks and starts configurations that name code beside them, and asks what they serve. */
export async function tryCommand({ command: [program, ...before], configFolder }: Installed): Promise<void> {
  mkdirSync(path.join(configFolder, 'code'), { recursive: true });
  const files = {
    'code/stamp.ts': STAMP,
    'code/app.ts': APP,
    'code/auth.ts': AUTH,
    'sallyport.yaml': IN_YAML,
    'sallyport.ts': IN_TYPESCRIPT,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(configFolder, name), text);
  run(configFolder, program, ...before, '--version');
  run(configFolder, program, ...before, 'init', 'starter.yaml');
  run(configFolder, program, ...before, 'check', 'starter.yaml');
  for (const file of ['sallyport.yaml', 'sallyport.ts'])
    for (const workers of ['1', '2']) {
      run(configFolder, program, ...before, 'check', file);
      await tryStart(configFolder, [program, ...before, 'start', '--config', file, '--workers', workers]);
    }
}

async function tryStart(cwd: string, [program = '', ...args]: readonly string[]): Promise<void> {
  // With a group of its own: of SIGTERM to npx its shell may end without passing it on.
  const gateway = spawn(program, args, {
    ...{ cwd, env: shellEnvironment(), detached: true },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written: string[] = [];
  gateway.stderr.on('data', (chunk) => written.push(String(chunk)));
  try {
    const port = await portOf(gateway, written);
    await askHello(port, { authorization: 'Bearer good' }, 200, '{"fastify":"function"}');
    await askHello(port, { authorization: 'Bearer bad' }, 401);
    await askHello(port, { authorization: 'Bearer good', 'x-refuse': 'yes' }, 403);
    const ended = once(gateway, 'exit');
    gateway.kill('SIGTERM');
    const [code] = await ended;
    if (code !== 0 && !args.includes('--no-install')) throw new Error(`SIGTERM ended it with ${code}`);
  } catch (error) {
    throw new Error(`${args.join(' ')}: ${String(error)}\n${written.join('')}`);
  } finally {
    killGroup(gateway.pid);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

/** Waits for the line of the log that says which ports are open. */
async function portOf({ stdout }: ChildProcess, written: string[]): Promise<number> {
  if (stdout === null) throw new TypeError('the log is not piped');
  for await (const line of createInterface({ input: stdout })) {
    written.push(`${line}\n`);
    const { msg, ports } = JSON.parse(line) as { msg?: string; ports?: number[] };
    if (msg === 'gateway started' && ports?.[0] !== undefined) {
      stdout.resume();
      return ports[0];
    }
  }
  throw new Error('it ended before it had started');
}

async function askHello(
  port: number,
  headers: Record<string, string>,
  status: number,
  body?: string,
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/hello`, { headers });
  const text = await response.text();
  const isGood =
    response.status === status &&
    response.headers.get('x-stamp') === 'given' &&
    (body === undefined || text === body);
  if (!isGood)
    throw new Error(`answered ${response.status}, x-stamp ${response.headers.get('x-stamp')}: ${text}`);
}
