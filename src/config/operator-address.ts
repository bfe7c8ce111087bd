import { isIPv6 } from 'node:net';
import { dirname, resolve } from 'node:path';
import { readTextFile } from '../core/disk/read-text-file.ts';
import { interpolate } from './document/interpolate.ts';
import { readDocument } from './document/read-document.ts';
import { asFields, type Fields } from './findings.ts';

const DEFAULTS = { admin: { host: '127.0.0.1', port: 9901 }, status: { host: '0.0.0.0', port: 9902 } };

/**
 * Finds where a gateway of this configuration answers its operators, as `host:port` to connect to: the admin port, or
 * the status port where the system chooses the former. Looks at nothing else in the file, so that what is being edited
 * there, and secrets that this process lacks, do not matter. Throws an `Error` where there is no such place.
 */
export async function findOperatorAddress(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const document = await readDocument(resolve(file), readTextFile);
  if (!document.isUsable) throw new Error(`${file} ${document.faults[0]?.text ?? 'cannot be read'}`);
  const { admin, status } = asFields(document.data);
  const places = { admin: placeOf(admin), ...(status !== undefined && { status: placeOf(status) }) };
  const sources = { env, folder: dirname(resolve(file)), readFile: readTextFile };
  const { data } = await interpolate(places, sources);
  const found = Object.entries(data as Record<'admin' | 'status', Fields>)
    .map(([name, place]) => ({ ...DEFAULTS[name as 'admin' | 'status'], ...place }))
    .find(({ port }) => Number(port) > 0);
  if (found === undefined)
    throw new Error(
      `${file} lets the system choose the admin port, so nobody can ask there — write admin.port`,
    );
  return `${bracketed(reachable(String(found.host)))}:${Number(found.port)}`;
}

function placeOf(section: unknown): Fields {
  const { host, port } = asFields(section);
  return { ...(host !== undefined && { host }), ...(port !== undefined && { port }) };
}

/** Gives the loopback address for one that stands for all. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return isIPv6(host) && /^[0:]+$/.test(host) ? '::1' : host;
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
