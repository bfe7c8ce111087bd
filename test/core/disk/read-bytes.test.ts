import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readBytes } from '../../../src/core/disk/read-bytes.ts';
import { until } from '../../support/until.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'read-bytes-'));
});
afterAll(() => rm(folder, { recursive: true }));

function pipeAt(name: string): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

/** Opens it for writing as soon as somebody reads it. */
async function openReadPipe(path: string) {
  const flags = constants.O_WRONLY | constants.O_NONBLOCK;
  const opened = () => open(path, flags).catch(() => undefined);
  let file = await opened();
  await until(async () => {
    file ??= await opened();
    return file !== undefined;
  });
  return file as NonNullable<typeof file>;
}

it.each([
  ['a file', 'content'],
  ['a file without content', ''],
])('gives %s as it is', async (_, content) => {
  await writeFile(join(folder, 'file'), content);
  expect(String(await readBytes(join(folder, 'file')))).toBe(content);
});

it('fails as reading a file does', async () => {
  await expect(readBytes(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(readBytes(folder)).rejects.toMatchObject({ code: 'EISDIR' });
});

it('pipes into which nobody writes keep no other file waiting, and fail in the end', async () => {
  // More than there are threads that read files.
  const pipes = Array.from({ length: 8 }, (_, i) =>
    readBytes(pipeAt(`silent-${i}`), 200).catch((error) => error),
  );
  await writeFile(join(folder, 'other'), 'here');
  expect(await readFile(join(folder, 'other'), 'utf8')).toBe('here');
  for (const outcome of await Promise.all(pipes)) expect(outcome).toMatchObject({ code: 'ETIMEDOUT' });
});

it('a pipe gives what is written into it, in pieces and from the moment on at which somebody does', async () => {
  const path = pipeAt('written');
  const read = readBytes(path, 60_000);
  const file = await openReadPipe(path);
  await file.write('one ');
  await file.write('x'.repeat(60_000));
  await file.close();
  expect(String(await read)).toBe(`one ${'x'.repeat(60_000)}`);
});

it('a pipe that is kept open fails, whatever came', async () => {
  const path = pipeAt('endless');
  const read = readBytes(path, 100);
  const file = await openReadPipe(path).catch(() => undefined);
  await file?.write('one');
  await expect(read).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await file?.close();
});
