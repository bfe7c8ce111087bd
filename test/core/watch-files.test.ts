import { mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { watchFiles } from '../../src/core/disk/watch-files.ts';
import { until } from '../support/until.ts';

let root: string;
let stop: () => void = () => {};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'watch-files-'));
});
afterEach(async () => {
  stop();
  await rm(root, { recursive: true });
});

/** Watches a file, and gives how often it looked. Links have been followed once it resolves. */
async function watchOne(file: string): Promise<() => number> {
  let looks = 0;
  const options = { clock: systemClock, settleMs: 1, recheckMs: 3_600_000 };
  const followsLinks = await realpath(file).then(
    (path) => path !== file,
    () => false,
  );
  stop = watchFiles([file], options, () => looks++);
  await until(() => looks === (followsLinks ? 1 : 0));
  const before = looks;
  return () => looks - before;
}

async function fileIn(...folders: string[]): Promise<string> {
  const folder = join(root, ...folders);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'a.yaml'), folders.join('/'));
  return join(folder, 'a.yaml');
}

describe('watchFiles', () => {
  it('looks when the file is written', async () => {
    const file = await fileIn('conf');
    const looks = await watchOne(file);
    await writeFile(file, 'other');
    await until(() => looks() > 0);
    expect(looks()).toBeGreaterThan(0);
  });

  it('looks when another folder takes the place of its own, and at edits in it from then on', async () => {
    const file = await fileIn('conf');
    await fileIn('new');
    const looks = await watchOne(file);
    await rename(join(root, 'conf'), join(root, 'old'));
    await rename(join(root, 'new'), join(root, 'conf'));
    await until(() => looks() > 0);
    const before = looks();
    await writeFile(file, 'edited');
    await until(() => looks() > before);
    expect(looks()).toBeGreaterThan(before);
  });

  it('looks when a folder further above is replaced', async () => {
    const file = await fileIn('releases', 'one', 'conf');
    await fileIn('other', 'one', 'conf');
    const looks = await watchOne(file);
    await rename(join(root, 'releases'), join(root, 'before'));
    await rename(join(root, 'other'), join(root, 'releases'));
    await until(() => looks() > 0);
    expect(looks()).toBeGreaterThan(0);
  });

  it('looks when a link to its folder is switched, and at edits behind the new one', async () => {
    await fileIn('one');
    const two = await fileIn('two');
    await symlink('one', join(root, 'current'));
    const looks = await watchOne(join(root, 'current', 'a.yaml'));
    await symlink('two', join(root, 'next'));
    await rename(join(root, 'next'), join(root, 'current'));
    await until(() => looks() > 0);
    const before = looks();
    await writeFile(two, 'edited');
    await until(() => looks() > before);
    expect(looks()).toBeGreaterThan(before);
  });

  it('looks when the file that a link leads to is replaced in its own folder', async () => {
    const archived = await fileIn('archive');
    await mkdir(join(root, 'live'));
    await symlink('../archive/a.yaml', join(root, 'live', 'a.yaml'));
    const looks = await watchOne(join(root, 'live', 'a.yaml'));
    await writeFile(`${archived}.new`, 'renewed');
    await rename(`${archived}.new`, archived);
    await until(() => looks() > 0);
    expect(looks()).toBeGreaterThan(0);
  });

  it('looks when a folder that was not there yet comes, and at the edits in it', async () => {
    const file = join(root, 'later', 'a.yaml');
    const looks = await watchOne(file);
    await fileIn('later');
    await until(() => looks() > 0);
    const before = looks();
    await writeFile(file, 'edited');
    await until(() => looks() > before);
    expect(looks()).toBeGreaterThan(before);
  });

  it('begins no watch and reads nothing on a disk that hangs, and does both when it responds again', async () => {
    const file = await fileIn('conf');
    let looks = 0;
    let asked = 0;
    const { promise: responds, resolve: respond } = Promise.withResolvers<void>();
    stop = watchFiles(
      [file],
      {
        clock: systemClock,
        settleMs: 1,
        recheckMs: 3_600_000,
        statFolder: () => {
          asked++;
          return responds;
        },
      },
      () => looks++,
    );
    await writeFile(file, 'other');
    await until(() => asked === 1);
    await writeFile(file, 'another');
    // Another watch waits as well: the disk has one thread already.
    const other = watchFiles([file], { clock: systemClock, settleMs: 1, recheckMs: 1 }, () => looks++);
    for (let i = 0; i < 20; i++) await new Promise((next) => systemClock.after(1, () => next(undefined)));
    expect([asked, looks]).toEqual([1, 0]);
    respond();
    await until(() => looks > 1);
    other();
  });
});
