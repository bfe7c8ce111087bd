import { randomBytes } from 'node:crypto';
import { chmod, link, open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../../core/disk/make-folder.ts';
import { readBytes } from '../../core/disk/read-bytes.ts';
import type { Log } from '../../core/services.ts';

const SECRET_BYTES = 32;
const MIN_LENGTH = 32;

/** A secret that the gateway makes for itself where none is configured. */
export interface SecretFile {
  readonly file: string;
  /** What it is, with its article: `an admin token`. */
  readonly what: string;
  /** Makes one. Default: 256 random bits. */
  readonly make?: () => string | Promise<string>;
  /** What to do where the file cannot be read or written. */
  readonly remedy: string;
  /** What to do where the file holds something else. */
  readonly remedyForContent: string;
  /** What to do where others could read it. */
  readonly remedyForRights: string;
}

/** Reads a secret that is kept in a file, or makes one there, for its owner's eyes only. */
export async function findOrMakeSecret(secret: SecretFile, log: Log): Promise<string> {
  const { file, what } = secret;
  const kept = await findSecret(secret, log);
  if (kept !== undefined) return kept;
  const made = await makeSecret(secret);
  if (made !== undefined) log.info({ file }, `made ${what}: it stands in this file`);
  const found = made ?? (await findSecret(secret, log));
  if (found === undefined) throw new Error(`${file} came and went: is another process deleting it?`);
  return found;
}

/** Reads a secret that is kept in a file, where there is one. */
export async function findSecret(secret: SecretFile, log: Log): Promise<string | undefined> {
  const { file, what, remedy, remedyForContent } = secret;
  const bytes = await readBytes(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`${file}, which should hold ${what}, cannot be read (${error.code}): ${remedy}`, {
      cause: error,
    });
  });
  if (bytes === undefined) return undefined;
  const kept = bytes.toString().trim();
  if (kept.length < MIN_LENGTH)
    throw new Error(`${file} should hold ${what} and does not: ${remedyForContent}`);
  await closeToOthers(secret, log);
  return kept;
}

/** Takes rights away from group and others, which mounting a volume may have added. */
async function closeToOthers({ file, what, remedyForRights }: SecretFile, log: Log): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0) return;
  await chmod(file, 0o600);
  log.warn({ file }, `${what} could be read by others: ${remedyForRights}`);
}

/** Writes a new secret so that it appears whole or not at all. Returns `undefined` where another process was first. */
async function makeSecret({
  file,
  what,
  remedy,
  make = randomSecret,
}: SecretFile): Promise<string | undefined> {
  const secret = (await make()).trim();
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await makeFolder(path.dirname(file));
    const handle = await open(draft, 'wx', 0o600);
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
    await handle.close();
    // Unlike a rename, a link never replaces the secret of a process that was quicker.
    await link(draft, file);
    return secret;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return undefined;
    throw new Error(`${what} cannot be written to ${file} (${code ?? message}): ${remedy}`, { cause: error });
  } finally {
    await rm(draft, { force: true }).catch(() => {});
  }
}

function randomSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}
