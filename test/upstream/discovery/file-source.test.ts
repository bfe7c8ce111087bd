import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createFileSource } from '../../../src/upstream/discovery/file-source.ts';
import { startTouching } from '../../support/touching.ts';
import { ManualClock } from './manual-clock.ts';
import { ObservedSource } from './observed-source.ts';

const SETTLE_MS = 100;
const RECHECK_MS = 10_000;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0).reverse()) stop();
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-targets-'));
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function discover(file: string) {
  const clock = new ManualClock();
  const source = new ObservedSource(createFileSource(file, { clock }));
  stops.push(() => source.close());
  return { clock, source };
}

const content = (...urls: string[]): string => JSON.stringify({ targets: urls });

describe('discovery by a file', () => {
  it('finds its targets, and those of its next content', async () => {
    const file = join(makeFolder(), 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    expect(await source.nextHosts()).toEqual(['10.0.0.1:80']);
    writeFileSync(file, content('http://10.0.0.2:80'));
    await clock.pass(SETTLE_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:80']);
  });

  it('finds them when another file takes its place', async () => {
    const file = join(makeFolder(), 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    await source.nextHosts();
    writeFileSync(`${file}.new`, content('http://10.0.0.2:80'));
    renameSync(`${file}.new`, file);
    await clock.pass(SETTLE_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:80']);
  });

  it('finds them when a link beside it is swapped, as Kubernetes does with a ConfigMap', async () => {
    const folder = makeFolder();
    const version = (name: string, url: string): void => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'targets.json'), content(url));
      symlinkSync(name, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    version('..1', 'http://10.0.0.1:80');
    const file = join(folder, 'targets.json');
    symlinkSync('..data/targets.json', file);
    const { clock, source } = discover(file);
    await source.nextHosts();
    version('..2', 'http://10.0.0.2:80');
    await clock.pass(SETTLE_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:80']);
  });

  it('finds them though another file of the folder keeps changing', async () => {
    const folder = makeFolder();
    const file = join(folder, 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    await source.nextHosts();
    const touch = startTouching(folder);
    stops.push(touch.stop);
    writeFileSync(file, content('http://10.0.0.2:80'));
    await touch.another();
    clock.advance(SETTLE_MS - 1);
    await touch.another();
    clock.advance(1);
    expect(clock.planned()).not.toContain(SETTLE_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:80']);
  });

  it('names what is wrong with bad content, once, and goes on with the next good one', async () => {
    const file = join(makeFolder(), 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    await source.nextHosts();
    writeFileSync(file, '{ "targets": [');
    await clock.pass(SETTLE_MS);
    expect(await source.nextFailure()).toContain('targets.json:1');
    await clock.pass(RECHECK_MS);
    // Whole at once: the look just begun may be anywhere.
    writeFileSync(`${file}.new`, content('http://10.0.0.3:80'));
    renameSync(`${file}.new`, file);
    await clock.pass(SETTLE_MS);
    expect(await source.next()).toMatchObject({ found: [{ host: '10.0.0.3' }] });
  });

  it('tells that the file is gone, and finds it again though its content is as before', async () => {
    const file = join(makeFolder(), 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    await source.nextHosts();
    rmSync(file);
    await clock.pass(SETTLE_MS);
    expect(await source.nextFailure()).toBe(
      `${file} cannot be read (ENOENT) — check the name and who may read it`,
    );
    writeFileSync(file, content('http://10.0.0.1:80'));
    await clock.pass(SETTLE_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.1:80']);
  });

  it('finds a file whose folder comes later, and then hears of its changes', async () => {
    const folder = join(makeFolder(), 'later');
    const file = join(folder, 'targets.json');
    const { clock, source } = discover(file);
    await source.nextFailure();
    mkdirSync(folder);
    writeFileSync(file, content('http://10.0.0.1:80'));
    clock.advance(RECHECK_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.1:80']);
    writeFileSync(file, content('http://10.0.0.2:80'));
    await clock.pass(SETTLE_MS);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:80']);
  });

  it('reports nothing when it looks again and finds the same content', async () => {
    const file = join(makeFolder(), 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    await source.nextHosts();
    await clock.pass(RECHECK_MS);
    // Reading takes a while, of which nobody is told.
    for (let i = 0; i < 5; i++) await readFile(file);
    expect(source.reports.pending).toEqual([]);
  });

  it('plans nothing more once it is closed', async () => {
    const file = join(makeFolder(), 'targets.json');
    writeFileSync(file, content('http://10.0.0.1:80'));
    const { clock, source } = discover(file);
    await source.nextHosts();
    writeFileSync(file, content('http://10.0.0.2:80'));
    await clock.until(SETTLE_MS);
    source.close();
    expect(clock.planned()).toEqual([]);
  });
});
