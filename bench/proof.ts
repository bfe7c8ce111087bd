/**
 * Asks what one request of nobody in particular can cost: every policy that identifies, the admin port, and what a
 * configuration says in expressions and patterns, each with the dearest input that fits a listener's limits (a head of
 * 16 KiB, a target of 8 KiB, 100 fields). Goal: at most 2 ms of CPU of the thread that serves.
 * Run: `node bench/proof.ts [--write] [--only <subject>]`.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createGateway } from '../src/gateway/create-gateway.ts';
import type { Gateway } from '../src/gateway/gateway.ts';
import { CONFIGURATION_CASES } from './proof-configuration.ts';
import { CREDENTIAL_CASES, casesWith, type ProofCase } from './proof-inputs.ts';
import { processNote, publish } from './report.ts';
import { median } from './statistics.ts';

const { values: options } = parseArgs({
  options: { write: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const GOAL_MS = 2;
const ROUNDS = 5;
const REQUESTS = 60;
const IDLE_MS = 300;
const HOST = '127.0.0.1';
const ADMIN_TOKEN = 'a token of the admin';

interface Row {
  readonly subject: string;
  readonly input: string;
  readonly status: number;
  /** Milliseconds of CPU a request: of the thread that serves, and of all threads. */
  readonly ownMs: number;
  readonly allMs: number;
}

const folder = await mkdtemp(path.join(tmpdir(), 'sallyport-proof-'));
const noLog = { droppedLines: 0, write() {}, flushSync() {}, async close() {} };

/** One certificate for everything. */
function makeTls(): object {
  const [certFile, keyFile] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', certFile, ...name], { stdio: 'ignore' });
  return { certificates: [{ certFile, keyFile }], clientCertificates: { caFile: certFile, required: false } };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer({ maxHeaderSize: 64 * 1024 }, listener);
  server.listen(0, HOST);
  await once(server, 'listening');
  server.unref();
  return `http://${HOST}:${(server.address() as AddressInfo).port}`;
}

type Setting = Pick<ProofCase, 'config' | 'policies' | 'isMutualTls'>;

async function start({ config = {}, policies = [], isMutualTls = false }: Setting): Promise<Gateway> {
  const file = path.join(folder, 'sallyport.json');
  const written = {
    listeners: [{ host: HOST, port: 0, ...(isMutualTls && { tls: makeTls() }) }],
    admin: { host: HOST, port: 0, token: ADMIN_TOKEN },
    drain: { delay: '0s', timeout: '0s' },
    dataDir: folder,
    upstreams: { service: { targets: [target] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    policies,
    ...config,
  };
  await writeFile(file, JSON.stringify(written));
  const gateway = await createGateway({ configFile: file, env: {}, watch: false, logDestination: noLog });
  await gateway.start();
  return gateway;
}

interface Spent {
  readonly own: number;
  readonly all: number;
  readonly wall: number;
}

/** Milliseconds of CPU, of this thread and of all, and of the clock, that `work` takes. */
async function spend(work: () => Promise<unknown>): Promise<Spent> {
  const before = { own: process.threadCpuUsage(), all: process.cpuUsage(), wall: performance.now() };
  await work();
  const own = process.threadCpuUsage(before.own);
  const all = process.cpuUsage(before.all);
  const wall = performance.now() - before.wall;
  return { own: (own.user + own.system) / 1000, all: (all.user + all.system) / 1000, wall };
}

/** Sends requests one after the other, and takes off what a gateway that rests needs in the same time. */
async function measure(
  subject: string,
  input: string,
  ask: (i: number) => Promise<number>,
  requests = REQUESTS,
): Promise<Row> {
  const rounds: Spent[] = [];
  let status = 0;
  let i = 0;
  const round = async (): Promise<void> => {
    for (let n = 0; n < requests; n++) status = await ask(i++);
  };
  await round();
  const idle = await spend(() => setTimeout(IDLE_MS));
  for (let n = 0; n < ROUNDS; n++) rounds.push(await spend(round));
  const costOf = (part: 'own' | 'all'): number =>
    median(rounds.map((spent) => (spent[part] - (idle[part] / idle.wall) * spent.wall) / requests));
  const row = { subject, input, status, ownMs: costOf('own'), allMs: costOf('all') };
  console.log(
    `${subject}: ${input}: ${status}, ${row.ownMs.toFixed(2)} ms (all threads ${row.allMs.toFixed(2)})`,
  );
  return row;
}

async function measureCase(proof: ProofCase): Promise<Row> {
  const gateway = await start(proof);
  try {
    return await measure(
      proof.subject,
      proof.input,
      async (i) => (await gateway.inject(proof.request(i))).status,
      proof.requests,
    );
  } finally {
    await gateway.close();
  }
}

/** The admin port is asked over its socket, on one connection. */
async function measureAdmin(): Promise<Row[]> {
  const gateway = await start({});
  const port = gateway.operatorPorts[0] as number;
  const spaces = ' '.repeat(15_500);
  const inputs: readonly (readonly [string, string])[] = [
    ['15,500 spaces', `Authorization: Bearer${spaces}`],
    ['15,500 spaces before a letter', `Authorization: Bearer${spaces}x`],
    ['letters and spaces by turns', `Authorization: Bearer ${'a '.repeat(7500)}x`],
    ['a token of 15,500 letters', `Authorization: Bearer ${'a'.repeat(15_500)}`],
    ['a host of 15,500 letters', `X-Forwarded-Host: ${'a'.repeat(15_500)}`],
  ];
  const rows: Row[] = [];
  for (const [input, line] of inputs) {
    const socket = connect({ host: HOST, port, noDelay: true });
    await once(socket, 'connect');
    const head = Buffer.from(
      `GET /api/keys HTTP/1.1\r\nHost: localhost:${port}\r\n${line}\r\n\r\n`,
      'latin1',
    );
    const ask = async (): Promise<number> => {
      socket.write(head);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      return Number(chunk.toString('latin1', 9, 12));
    };
    rows.push(await measure('admin port', input, ask));
    socket.destroy();
  }
  await gateway.close();
  return rows;
}

const target = await serve((_, response) => response.end('{}'));
const authService = await serve((_, response) => response.writeHead(401).end());
const issuer = await serve((request, response) => {
  request.resume();
  response.end('{"active":false}');
});

const isAsked = (subject: string): boolean => options.only === undefined || subject === options.only;
const rows: Row[] = [];
for (const proof of [...CONFIGURATION_CASES, ...CREDENTIAL_CASES, ...casesWith(authService, issuer)])
  if (isAsked(proof.subject)) rows.push(await measureCase(proof));
if (isAsked('admin port')) rows.push(...(await measureAdmin()));

const dearest = [...Map.groupBy(rows, ({ subject }) => subject)].map(([subject, ofSubject]) => {
  const worst = ofSubject.reduce((most, row) => (row.ownMs > most.ownMs ? row : most));
  return { subject, count: ofSubject.length, worst };
});
const misses = rows.filter(({ ownMs }) => ownMs > GOAL_MS);
const report = `## What a request of nobody in particular can cost

| | inputs | the dearest | answer | CPU ms | CPU ms, all threads |
| --- | --: | --- | --: | --: | --: |
${dearest.map(({ subject, count, worst }) => `| ${subject} | ${count} | ${worst.input} | ${worst.status} | ${worst.ownMs.toFixed(2)} | ${worst.allMs.toFixed(2)} |`).join('\n')}

CPU time of the thread that serves, a request, median of ${ROUNDS} rounds, without what a gateway that rests takes; making the request is in it, and what services beside it (in the same process) take.
Other threads verify signatures of tokens, look up names and check passwords; \`basic\` runs two checks at a time at most, for whoever asks.
Goal: at most ${GOAL_MS} ms for every input: ${misses.length === 0 ? 'met' : 'MISSED'}. ${processNote()}
`;
publish('proof', report, options.write);
await rm(folder, { recursive: true, force: true });
process.exit(misses.length === 0 ? 0 : 1);
