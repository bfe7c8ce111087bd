/**
 * Packs the committed package in a fresh clone and uses it as people do: installed in each way, run, with code of theirs
 * elsewhere, and compiled against. Needs the package registry. `node scripts/try-package.ts [LAYOUT…]` tries some.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { layouts } from './package/layouts.ts';
import { packFreshClone } from './package/pack.ts';
import { tryCommand } from './package/try-command.ts';
import { tryTypes } from './package/try-types.ts';

const root = path.resolve(import.meta.dirname, '..');
const work = mkdtempSync(path.join(tmpdir(), 'sallyport-package-'));
const wanted = process.argv.slice(2);
const failed: string[] = [];

async function attempt(name: string, work_: () => Promise<void>): Promise<void> {
  if (wanted.length > 0 && !wanted.includes(name)) return;
  const began = Date.now();
  try {
    await work_();
    console.log(`ok      ${name} (${Math.round((Date.now() - began) / 1000)} s)`);
  } catch (error) {
    failed.push(name);
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

try {
  const packed = packFreshClone(root, path.join(work, 'clone'));
  console.log(`packed  ${packed.files.length} files, ${Math.round(packed.bytes / 1024)} KiB`);
  for (const { name, install } of layouts)
    await attempt(name, async () => tryCommand(await install(packed, path.join(work, name))));
  await attempt('types', async () => tryTypes(packed, path.join(work, 'types')));
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
