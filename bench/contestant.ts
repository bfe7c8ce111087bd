import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { FORWARDED_FIELDS } from './backend.ts';
import { type Chain, fieldsOf } from './chain.ts';
import type { Peer } from './peer.ts';
import { findFreePort, readUsage, startPinned, stopProcess, type Usage, waitForPort } from './process.ts';
import { type Certificate, CORES } from './workplace.ts';

/** What a contestant is started with. */
export interface ContestantOptions {
  readonly workplace: string;
  readonly backendPort: number;
  readonly isObserved: boolean;
  readonly tls: Certificate | undefined;
  readonly routes: number;
  readonly chain: Chain | undefined;
}

/** A running peer. */
export interface Contestant {
  /** The peer's name, with the number of routes where these are compared. */
  readonly label: string;
  readonly peer: Peer;
  readonly routes: number;
  readonly port: number;
  readonly origin: string;
  usage(): Usage;
  stop(): Promise<void>;
}

/** Starts a peer on the proxy's core and makes sure that it does the work that all do. */
export async function startContestant(peer: Peer, options: ContestantOptions): Promise<Contestant> {
  const label =
    options.routes > 0 ? `${peer.name}, ${options.routes.toLocaleString('en')} routes` : peer.name;
  const folder = path.join(options.workplace, `${label.replaceAll(/\W+/g, '-')}-${process.hrtime.bigint()}`);
  mkdirSync(folder);
  const port = await findFreePort();
  const command = peer.prepare({ ...options, folder, port, adminPort: await findFreePort() });
  const errorFile = path.join(folder, 'stderr');
  const child = startPinned(CORES.proxy, command, errorFile);
  const origin = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  try {
    await waitForPort(port, child);
    await assertForwards(origin, options.chain);
    if (options.isObserved) await assertLogs(path.join(folder, 'access.log'));
  } catch (error) {
    await stopProcess(child);
    throw new Error(`${label}: ${(error as Error).message}\n${readFileSync(errorFile, 'utf8')}`);
  }
  return contestantOf(peer, label, options.routes, port, origin, child);
}

function contestantOf(
  peer: Peer,
  label: string,
  routes: number,
  port: number,
  origin: string,
  child: ChildProcess,
): Contestant {
  const pid = child.pid as number;
  return {
    label,
    peer,
    routes,
    port,
    origin,
    usage: () => readUsage(pid),
    stop: () => stopProcess(child),
  };
}

/** A proxy that leaves a forwarded field out would do less work than the others. */
async function assertForwards(origin: string, chain: Chain | undefined): Promise<void> {
  const lines = (await fetchText(`${origin}/headers`, chain && fieldsOf(chain))).split('\n');
  const missing = FORWARDED_FIELDS.filter((_, i) => !lines[i]);
  if (missing.length > 0) throw new Error(`does not send on ${missing.join(', ')}`);
}

/** All peers log to `access.log` in their folder, some a moment later. */
async function assertLogs(file: string): Promise<void> {
  for (let tries = 0; tries < 30; tries++) {
    if (existsSync(file) && readFileSync(file, 'utf8').includes('/headers')) return;
    await wait(100);
  }
  throw new Error('writes no access log');
}

function fetchText(url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent: false as const, rejectUnauthorized: false, headers };
    const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        response.statusCode === 200
          ? resolve(text)
          : reject(new Error(`answered ${response.statusCode}: ${text}`)),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end();
  });
}
