import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogDestination, openLogDestination } from '../../src/observability/log-destination.ts';
import { StubClock } from './stub-clock.ts';

let folder = '';
let clock = new StubClock();
const opened: number[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sallyport-log-'));
  clock = new StubClock();
});

afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
  rmSync(folder, { recursive: true });
});

function open(name: string, flags: string | number): number {
  const fd = openSync(path.join(folder, name), flags);
  opened.push(fd);
  return fd;
}

const written = () => readFileSync(path.join(folder, 'log'), 'utf8');

/** Lets what is under way go on until `condition` holds. The limit of the test is the limit of this. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

describe('log destination', () => {
  it('holds lines back until a flush is due, then writes them in order', async () => {
    const destination = await openLogDestination({ fd: open('log', 'w'), pretty: false, clock });
    destination.write('one\n');
    destination.write('two\n');
    expect(written()).toBe('');
    clock.advance(1000);
    await until(() => written() !== '');
    expect(written()).toBe('one\ntwo\n');
    await destination.close();
  });

  it('writes without waiting for the flush when there is much', async () => {
    const destination = await openLogDestination({ fd: open('log', 'w'), pretty: false, clock });
    for (let i = 0; i < 2000; i++) destination.write(`${String(i).padStart(99, '0')}\n`);
    await until(() => written() !== '');
    await destination.close();
    expect(written().split('\n').slice(0, -1).map(Number)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  it('has everything out when it is closed, and what comes later at once', async () => {
    const destination = await openLogDestination({ fd: open('log', 'w'), pretty: false, clock });
    destination.write('one\n');
    await destination.close();
    destination.write('late\n');
    expect(written()).toBe('one\nlate\n');
  });

  it('has everything out when flushSync returns', async () => {
    const destination = await openLogDestination({ fd: open('log', 'w'), pretty: false, clock });
    destination.write('ä\n');
    destination.flushSync();
    expect(written()).toBe('ä\n');
    await destination.close();
  });

  it('writes lines for reading on a terminal, where control characters steer nothing', async () => {
    const destination = await openLogDestination({ fd: open('log', 'w'), pretty: true, clock });
    const path = 'a\u001b]0;evil\u0007\u009b31m\r\\u001b';
    destination.write(`${JSON.stringify({ level: 30, time: 0, path, msg: 'request' })}\n`);
    await destination.close();
    expect(written()).toContain('INFO');
    expect(written()).toContain('request');
    expect(written()).not.toMatch(/\u001b\]|\u0007|\u009b|\r/);
  });

  it('takes no listener of the process with it', async () => {
    const before = process.listenerCount('exit');
    const destination = await openLogDestination({ fd: open('log', 'w'), pretty: false, clock });
    expect(process.listenerCount('exit')).toBe(before + 1);
    await destination.close();
    expect(process.listenerCount('exit')).toBe(before);
  });
});

describe('log destination whose reader stops', () => {
  const line = `${'x'.repeat(1023)}\n`;
  let reader = 0;
  let destination: LogDestination;

  beforeEach(async () => {
    execFileSync('mkfifo', [path.join(folder, 'log')]);
    reader = open('log', constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = open('log', constants.O_WRONLY | constants.O_NONBLOCK);
    destination = await openLogDestination({ fd: writer, pretty: false, clock });
  });

  function readAll(): string {
    const buffer = Buffer.alloc(1 << 16);
    let text = '';
    try {
      for (let n = readSync(reader, buffer); n > 0; n = readSync(reader, buffer))
        text += buffer.toString('utf8', 0, n);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    return text;
  }

  it('keeps a bounded amount, counts what it drops, and says so once there is room again', async () => {
    for (let i = 0; i < 6000; i++) destination.write(line);
    const dropped = destination.droppedLines;
    expect(dropped).toBeGreaterThan(500);
    expect(dropped).toBeLessThan(3000);

    let text = '';
    await until(() => {
      clock.advance(100);
      text += readAll();
      return text.includes('log lines were dropped');
    });
    destination.write('after\n');
    const closing = destination.close();
    await until(() => {
      text += readAll();
      return text.includes('after');
    });
    await closing;
    const lines = text.split('\n').slice(0, -1);
    expect(lines.filter((kept) => kept.length === 1023)).toHaveLength(6000 - dropped);
    const notices = lines.filter((kept) => kept.startsWith('{'));
    expect(notices.map((notice) => JSON.parse(notice))).toMatchObject([{ level: 40, dropped }]);
  });

  it('closes in time though nobody reads', async () => {
    for (let i = 0; i < 1000; i++) destination.write(line);
    const closing = destination.close();
    await setImmediate();
    clock.advance(5000);
    await closing;
  });

  it('goes on without a log when the reader is gone', async () => {
    closeSync(opened.shift() as number);
    destination.write(line);
    clock.advance(1000);
    await until(() => {
      destination.write(line);
      return destination.droppedLines > 0;
    });
    await destination.close();
  });
});

describe('log destination of a process that ends', () => {
  const source = path.resolve('src/observability/log-destination.ts');
  const script = (end: string) => `
    import { openLogDestination } from ${JSON.stringify(source)};
    const destination = await openLogDestination({ pretty: false });
    for (let i = 0; i < 3000; i++) destination.write('line ' + i + '\\n');
    ${end}`;
  const expected = Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join('');

  it.each([
    ['process.exit', 'process.exit(0)'],
    ['an error that nobody catches', "setImmediate(() => { throw new Error('fatal') })"],
    ['nothing left to do', ''],
  ])('loses no line at %s', (_, end) => {
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script(end)], {
      encoding: 'utf8',
    });
    expect(stdout).toBe(expected);
  });

  it('loses no line at SIGTERM when it is closed there', async () => {
    const end = `
      setInterval(() => {}, 1000);
      process.on('SIGTERM', async () => { destination.write('bye\\n'); await destination.close(); process.exit(0); });
      process.stderr.write('ready');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(end)], { stdio: 'pipe' });
    let stdout = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    await once(child.stderr, 'data');
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    expect(stdout).toBe(`${expected}bye\n`);
  });
});
