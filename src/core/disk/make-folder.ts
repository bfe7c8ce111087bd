import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * Makes a folder for this user only, with the folders above it that are missing. Rejects where that cannot be.
 *
 * Node's own `recursive` never ends where a folder says that it does not exist when something is made in it, as /proc
 * does: it makes the parent, which is there, and tries again.
 */
export async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path.resolve(folder); !(await isThere(at)); at = path.dirname(at)) missing.push(at);
  for (const each of missing.reverse()) await makeOne(each);
  await requireFolder(folder);
}

async function isThere(place: string): Promise<boolean> {
  try {
    await stat(place);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function makeOne(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    // Another process was quicker.
    if (error.code !== 'EEXIST') throw error;
  });
}

async function requireFolder(folder: string): Promise<void> {
  if ((await stat(folder)).isDirectory()) return;
  throw Object.assign(new Error(`ENOTDIR: ${folder} is not a folder`), { code: 'ENOTDIR' });
}
