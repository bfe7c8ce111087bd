import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NOT_TEXT, readTextFile } from '../../src/core/disk/read-text-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'read-text-file-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(...bytes: number[]): Promise<string> {
  const file = join(folder, bytes.join('-'));
  await writeFile(file, Buffer.from(bytes));
  return file;
}

it('gives UTF-8 as it is, without its byte order mark', async () => {
  expect(await readTextFile(await fileOf(0xef, 0xbb, 0xbf, 0x41, 0xc3, 0xbc, 0x0a))).toBe('Aü\n');
});

it.each([
  ['bytes that are not UTF-8', [0xff, 0xff]],
  ['a sequence that is cut', [0x41, 0xc3]],
  ['UTF-16 with its mark', [0xff, 0xfe, 0x41, 0x00]],
])('throws for %s', async (_, bytes) => {
  await expect(readTextFile(await fileOf(...bytes))).rejects.toMatchObject({ code: NOT_TEXT });
});
