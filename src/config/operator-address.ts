import { isIPv6 } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { readTextFile } from '../core/disk/read-text-file.ts';
import { interpolate } from './document/interpolate.ts';
import { readDocument } from './document/read-document.ts';
import { asFields, type Fields } from './findings.ts';

const DEFAULT_DATA_DIR = './sallyport-data';
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
      `${file} lets the system choose the admin port, so it cannot be reached — write admin.port`,
    );
  return `${bracketed(reachable(String(found.host)))}:${Number(found.port)}`;
}

/** What it takes to ask the admin API of a gateway that runs. */
export interface AdminAccess {
  /** `host:port` to connect to. */
  readonly address: string;
  readonly token: string;
}

/**
 * Finds where a gateway of this configuration answers its admin API, and the token that opens it: that of the
 * configuration or the environment, else the one that the gateway has made in `dataDir`. Throws an `Error` where there is
 * none.
 */
export async function findAdminAccess(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AdminAccess> {
  const document = await readDocument(resolve(file), readTextFile);
  if (!document.isUsable) throw new Error(`${file} ${document.faults[0]?.text ?? 'cannot be read'}`);
  const { admin, dataDir = DEFAULT_DATA_DIR } = asFields(document.data);
  const folder = dirname(resolve(file));
  const { token } = asFields(admin);
  const written = { dataDir, admin: { ...placeOf(admin), ...(token !== undefined && { token }) } };
  const { data, faults } = await interpolate(written, { env, folder, readFile: readTextFile });
  const [fault] = faults;
  if (fault !== undefined) throw new Error(`${file}: ${fault.path.join('.')} ${fault.text}`);
  const read = data as { readonly dataDir: string; readonly admin: Fields };
  const { host, port } = { ...DEFAULTS.admin, ...read.admin };
  if (!(Number(port) > 0))
    throw new Error(
      `${file} lets the system choose the admin port, so it cannot be reached — write admin.port`,
    );
  const address = `${bracketed(reachable(String(host)))}:${Number(port)}`;
  return {
    address,
    token: await findToken(read.admin.token ?? env.SALLYPORT_ADMIN_TOKEN, folder, read.dataDir),
  };
}

async function findToken(written: unknown, folder: string, dataDir: string): Promise<string> {
  if (typeof written === 'string' && written !== '') return written;
  const file = join(resolve(folder, dataDir), 'admin-token');
  const kept = await readTextFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `there is no admin token: ${file} cannot be read (${error.code ?? error.message}) — run this beside the gateway, or set admin.token or SALLYPORT_ADMIN_TOKEN`,
    );
  });
  return kept.trim();
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
