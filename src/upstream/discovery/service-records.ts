import type { DecodedPacket } from 'dns-packet';
import { dnsFault, type ExchangeSettings, queryServer } from './dns-exchange.ts';
import { createQuery } from './dns-message.ts';

/** An SRV record (RFC 2782). */
export interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface ServiceRecords {
  readonly records: readonly ServiceRecord[];
  /** The shortest time to live of the response, aliases (CNAME) on the way included. */
  readonly ttlSeconds: number;
}

export interface ServiceQuerySettings extends ExchangeSettings {
  /** Servers in the order in which they are tried, each as `address` or `address:port`. */
  readonly servers: readonly string[];
  /** How often each server is asked. */
  readonly tries: number;
}

/**
 * Finds the SRV records of a name together with their time to live, which node:dns does not tell. A server that is
 * silent or in trouble hands over to the next one. Rejects with an error that has a `code` of node:dns.
 */
export async function findServiceRecords(
  name: string,
  settings: ServiceQuerySettings,
): Promise<ServiceRecords> {
  let failure: unknown = dnsFault('ETIMEOUT');
  for (let i = 0; i < settings.tries; i++) {
    for (const server of settings.servers) {
      try {
        return recordsOf(await queryPlainly(server, name, settings));
      } catch (error) {
        if (settings.signal.aborted || isAbsent(error)) throw error;
        failure = error;
      }
    }
  }
  throw failure;
}

const NO_ERROR = 0;
const FORMAT_ERROR = 1;
const NO_NAME = 3;
const FAULTS = new Map([
  [FORMAT_ERROR, 'EFORMERR'],
  [2, 'ESERVFAIL'],
  [NO_NAME, 'ENOTFOUND'],
  [4, 'ENOTIMP'],
  [5, 'EREFUSED'],
]);

/** Asks, and once more in the words of 1987 where the server does not understand what came later. */
async function queryPlainly(
  server: string,
  name: string,
  settings: ServiceQuerySettings,
): Promise<DecodedPacket> {
  const response = await queryServer(server, createQuery(name, true), settings);
  return codeOf(response) === FORMAT_ERROR
    ? queryServer(server, createQuery(name, false), settings)
    : response;
}

function recordsOf(packet: DecodedPacket): ServiceRecords {
  const code = codeOf(packet);
  if (code !== NO_ERROR) throw dnsFault(FAULTS.get(code) ?? 'EBADRESP');
  const records: ServiceRecord[] = [];
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (const response of packet.answers ?? []) {
    if (response.type !== 'SRV' && response.type !== 'CNAME') continue;
    ttlSeconds = Math.min(ttlSeconds, ttlOf(response.ttl ?? 0));
    if (response.type !== 'SRV') continue;
    const { target, port, priority = 0, weight = 0 } = response.data;
    records.push({ name: target, port, priority, weight });
  }
  if (records.length === 0) throw dnsFault('ENODATA');
  return { records, ttlSeconds };
}

function codeOf({ flags = 0 }: DecodedPacket): number {
  return flags & 0xf;
}

/** A time with the highest bit set is none (RFC 2181 §8). */
function ttlOf(seconds: number): number {
  return seconds > 0x7fff_ffff ? 0 : seconds;
}

function isAbsent(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ENOTFOUND' || code === 'ENODATA';
}
