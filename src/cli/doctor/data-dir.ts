import { constants } from 'node:fs';
import { access, readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Check, Findings } from './finding.ts';

const MIN_FREE_BYTES = 100 * 1024 * 1024;

/** Looks at rights, owner and room of `dataDir`, and writes nothing there. */
export function dataDirCheck(dataDir: string): Check {
  return { check: 'dataDir', subject: dataDir, look: (findings) => lookAt(dataDir, findings) };
}

async function lookAt(dataDir: string, findings: Findings): Promise<void> {
  const folder = await firstThatIs(dataDir);
  const { mode, uid } = await stat(folder);
  const isThere = folder === dataDir;
  const may = await access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  const own = process.getuid?.();
  if (!may)
    findings.problem(
      isThere
        ? 'this user may not write there'
        : `it is not there, and this user may not make it in ${folder}`,
      'run the doctor as the user of the gateway; give that user the folder (chown, chmod 700), or set dataDir',
    );
  else if (isThere && own !== undefined && own !== 0 && uid !== own)
    findings.warn(
      `it belongs to user ${uid}, not to ${own}`,
      `chown it to the user that the gateway runs as`,
    );
  if (isThere && (mode & 0o077) !== 0) await lookAtOthers(dataDir, mode, findings);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free < MIN_FREE_BYTES)
    findings.warn(`only ${Math.floor(free / 1024 ** 2)} MiB are free there`, 'make room, or move dataDir');
  if (findings.found.length === 0)
    findings.ok(isThere ? 'can be written, and has room' : 'is not there yet, and can be made');
}

/** What is in it is closed to others file by file; who may write to the folder can replace them nevertheless. */
async function lookAtOthers(dataDir: string, mode: number, findings: Findings): Promise<void> {
  if ((mode & 0o022) !== 0)
    return findings.problem('others may write there, and so replace its secrets', `chmod 700 ${dataDir}`);
  const open: string[] = [];
  for (const name of await readdir(dataDir)) {
    const { mode: rights } = await stat(path.join(dataDir, name));
    if ((rights & 0o077) !== 0) open.push(name);
  }
  if (open.length > 0) findings.warn(`others may read ${open.join(', ')}`, `chmod 700 ${dataDir}`);
}

/** Gives the folder, or the nearest above it that there is. */
async function firstThatIs(folder: string): Promise<string> {
  const isThere = await stat(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  return isThere || path.dirname(folder) === folder ? folder : firstThatIs(path.dirname(folder));
}
