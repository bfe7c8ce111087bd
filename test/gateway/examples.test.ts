import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { bundledModule } from '../support/bundled-gateway.ts';
import { findCurlLines, runCurl } from '../support/curl.ts';
import { LOOPBACK, listenOnLoopback } from '../support/loopback.ts';

const root = path.resolve(import.meta.dirname, '../..');
const configs = globSync('*/sallyport.{yaml,ts}', { cwd: path.join(root, 'examples') }).sort();
let folder = '';
/** The gateways of all examples. */
let host: ChildProcess;
/** Processes that several examples use. */
const shared: ChildProcess[] = [];
/** The address of a service, by its file and how many of the same an example starts before it. */
const services = new Map<string, Promise<string>>();

// The examples as they are for a user: in a folder of their own, with the packages installed.
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sallyport-examples-'));
  await cp(path.join(root, 'examples'), folder, { recursive: true });
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules/sallyport'));
  for (const name of ['fastify', 'ws', 'zod']) {
    symlinkSync(path.join(root, 'node_modules', name), path.join(folder, 'node_modules', name));
  }
  const file = path.join(root, 'test/gateway/fixtures/gateway-host.ts');
  host = fork(file, [bundledModule('index')], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  shared.push(host);
});

afterAll(async () => {
  for (const child of shared) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

describe.each(configs)('examples/%s', (name) => {
  const text = readFileSync(path.join(root, 'examples', name), 'utf8');
  const lines = findCurlLines(text);

  it('keeps what its header promises', async () => {
    expect(lines).not.toEqual([]);
    const port = await startExample(name, text);
    for (const { command, status, text: promised } of lines) {
      const answer = await runCurl(command, port);
      expect({ command, status: answer.status }).toEqual({ command, status });
      expect(answer.text).toContain(promised);
    }
  });
});

it('examples/websocket carries what is said in a room', async () => {
  const name = 'websocket/sallyport.yaml';
  const port = await startExample(name, readFileSync(path.join(root, 'examples', name), 'utf8'));
  const say = run('websocket/say.ts', [`ws://${LOOPBACK}:${port}/rooms/lobby`, 'hello']);
  expect(await firstLine(say, /./)).toBe('lobby: hello');
});

it('examples/https sends clients to HTTPS, where the certificate is for the name that they ask for', async () => {
  const text = readFileSync(path.join(root, 'examples/https/https.yaml'), 'utf8');
  await promisify(execFile)('sh', [path.join(folder, 'https/make-certificates.sh')]);
  const [plain = 0, secure = 0] = await startGateway('https/https.yaml', text);
  const redirect = await runCurl('curl -i localhost:8080/', plain);
  expect([redirect.status, redirect.text]).toEqual([308, expect.stringContaining('https://localhost:8443/')]);
  const ca = readFileSync(path.join(folder, 'https/ca.pem'));
  for (const servername of ['localhost', 'api.shop.localhost']) {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { host: LOOPBACK, port: secure, ca, servername, headers: { host: servername } };
      get(options, resolve).on('error', reject);
    });
    response.resume();
    expect(response.statusCode).toBe(200);
  }
});

it('examples/testing passes its own tests', async () => {
  const tests = run('--test', ['testing/gateway.test.ts']);
  expect(await once(tests, 'exit')).toEqual([0, null]);
});

it('examples/in-code says what each part of the design does', async () => {
  const program = run('in-code/gateway.ts', []);
  const lines: string[] = [];
  for await (const line of createInterface({ input: program.stdout as NodeJS.ReadableStream }))
    lines.push(line);
  expect(lines).toEqual([
    'token of ada, with the roles customer',
    'roles of nonsense: 0',
    'request 1 of ada: allowed',
    'request 2 of ada: allowed',
    expect.stringMatching(/^request 3 of ada: in \d+ s again$/),
    'route: orders',
    'from: ada',
    'may: orders:read',
    'answer: 200 {"order":"on its way"}',
    'bob: 403',
    'bob: GW_FORBIDDEN',
  ]);
});

/** Starts an example, and the service that its header names on each port that its files do, and gives the gateway's port. */
async function startExample(name: string, text: string): Promise<number> {
  const service = /node ([\w./]+\.ts)$/m.exec(text)?.[1];
  const data = globSync(`${path.dirname(name)}/*.yaml`, { cwd: folder }).filter((file) => file !== name);
  const texts = new Map([[name, text], ...data.map((file): [string, string] => [file, read(file)])]);
  const addresses = new Set([...texts.values()].flatMap((each) => each.match(/127\.0\.0\.1:900\d/g) ?? []));
  for (const [i, address] of service === undefined ? [] : [...addresses].entries()) {
    const target = await shareService(path.join(path.dirname(name), service as string), i);
    for (const [file, each] of texts) texts.set(file, each.replaceAll(address, target));
  }
  for (const file of data) writeFileSync(path.join(folder, file), texts.get(file) as string);
  const [port] = await startGateway(name, texts.get(name) as string);
  return port as number;
}

async function startGateway(name: string, text: string): Promise<readonly number[]> {
  const config = path.join(folder, path.dirname(name), `on-free-ports${path.extname(name)}`);
  writeFileSync(config, withOwnPorts(text));
  const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
  host.on('message', function hear(told: { configFile: string; ports: number[]; failure?: string }) {
    if (told.configFile !== config) return;
    host.off('message', hear);
    if (told.failure === undefined) resolve(told.ports);
    else reject(new Error(told.failure));
  });
  host.send(config);
  return promise;
}

/** Starts a service, or finds the one that another example started. */
function shareService(file: string, number: number): Promise<string> {
  const key = `${path.resolve('/', file)} ${number}`;
  const found = services.get(key) ?? startService(file);
  services.set(key, found);
  return found;
}

async function startService(file: string): Promise<string> {
  const child = start(file, []);
  shared.push(child);
  const line = await firstLine(child, /^Listening on/);
  return line.replace(/.*\/\//, '');
}

function read(file: string): string {
  return readFileSync(path.join(folder, file), 'utf8');
}

function withOwnPorts(text: string): string {
  return listenOnLoopback(text)
    .replace(/^( *)listeners:/m, `$1admin: { host: '${LOOPBACK}', port: 0, token: 'example' },\n$1listeners:`)
    .replace(/^admin: (.*),$/m, 'admin: $1');
}

function run(file: string, args: readonly string[]): ChildProcess {
  const child = start(file, args);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

function start(file: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [file, ...args], {
    cwd: folder,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Reads what a process prints until a line that matches. */
async function firstLine(child: ChildProcess, pattern: RegExp): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    if (pattern.test(line)) return line;
    lines.push(line);
  }
  throw new Error(`the process ended after:\n${lines.join('\n')}`);
}
