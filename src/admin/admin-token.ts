import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../core/services.ts';

const FILE = 'admin-token';
const TOKEN_BYTES = 32;
const MIN_LENGTH = 32;
const REMEDY = 'make dataDir a folder that this user may write to, or set admin.token';

/** Reads the admin token that is kept in `dataDir`, or makes one there (256 random bits, for its owner's eyes only). */
export async function findOrMakeToken(dataDir: string, log: Log): Promise<string> {
  const file = path.join(dataDir, FILE);
  const kept = await readToken(file, log);
  if (kept !== undefined) return kept;
  const made = await makeToken(file);
  if (made !== undefined) log.info({ file }, 'made an admin token: it stands in this file');
  const token = made ?? (await readToken(file, log));
  if (token === undefined)
    throw new Error(`the admin token ${file} came and went: is another process deleting it?`);
  return token;
}

async function readToken(file: string, log: Log): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`the admin token ${file} cannot be read (${error.code}): ${REMEDY}`, { cause: error });
  });
  if (text === undefined) return undefined;
  const token = text.trim();
  if (token.length < MIN_LENGTH)
    throw new Error(`${file} holds no admin token: delete it, and a new one is made at the next start`);
  await closeToOthers(file, log);
  return token;
}

/** Takes rights away from group and others, which mounting a volume may have added. */
async function closeToOthers(file: string, log: Log): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0) return;
  await chmod(file, 0o600);
  log.warn({ file }, 'the admin token could be read by others; delete this file to have a new one made');
}

/** Writes a new token so that it appears whole or not at all. Returns `undefined` where another process was first. */
async function makeToken(file: string): Promise<string | undefined> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(draft, 'wx', 0o600);
    await handle.writeFile(`${token}\n`);
    await handle.sync();
    await handle.close();
    // Unlike a rename, a link never replaces the token of a process that was quicker.
    await link(draft, file);
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw new Error(`the admin token cannot be written to ${file}: ${REMEDY}`, {
      cause: error,
    });
  } finally {
    await rm(draft, { force: true });
  }
}
