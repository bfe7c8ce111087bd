import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { makeFolder } from '../../../src/core/disk/make-folder.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sallyport-folder-'));
  return () => rm(root, { recursive: true });
});

describe('a folder to keep things in', () => {
  it('is made with those above it, for this user only, by as many processes as want it', async () => {
    const folder = join(root, 'a/b/c');
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(folder)));
    for (const made of ['a', 'a/b', 'a/b/c']) expect((await stat(join(root, made))).mode & 0o777).toBe(0o700);
  });

  it('may be there, and then stays as it is', async () => {
    await chmod(root, 0o755);
    await makeFolder(root);
    expect((await stat(root)).mode & 0o777).toBe(0o755);
  });

  it.each([
    ['/proc/sallyport', 'ENOENT'],
    ['/proc/sallyport/deeper/still', 'ENOENT'],
    ['/dev/null/data', 'ENOTDIR'],
    ['/dev/null', 'ENOTDIR'],
    [`/tmp/${'x'.repeat(300)}`, 'ENAMETOOLONG'],
  ])('is refused at once where none can be made: %s', async (folder, code) => {
    await expect(makeFolder(folder)).rejects.toThrow(code);
  });

  it('is refused where a file stands in its way', async () => {
    await writeFile(join(root, 'file'), '');
    for (const folder of ['file', 'file/data'])
      await expect(makeFolder(join(root, folder))).rejects.toThrow('ENOTDIR');
  });
});
