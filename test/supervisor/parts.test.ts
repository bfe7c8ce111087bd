import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { GatewayConfig } from '../../src/config/schema/schema.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { GatewayDescription, TargetDescription } from '../../src/core/control.ts';
import { Channel } from '../../src/supervisor/channel.ts';
import { isCodeChanged, readCodeKeys } from '../../src/supervisor/code-keys.ts';
import { forwardLines } from '../../src/supervisor/forward-lines.ts';
import { mergeDescriptions } from '../../src/supervisor/merge-descriptions.ts';
import { RestartDelay } from '../../src/supervisor/restart-delay.ts';
import { StubClock } from '../observability/stub-clock.ts';

describe('a channel', () => {
  interface Greeter {
    greet(name: string): Promise<string>;
    fail(): void;
  }

  /** Two ends, with a copy of each message as between processes. */
  function connect(local: object, clock: Clock = systemClock): Channel<Greeter> {
    const ends = [new EventEmitter(), new EventEmitter()] as [EventEmitter, EventEmitter];
    const [near, far] = ends.map((end, i) =>
      Object.assign(end, {
        send: (message: unknown) =>
          setImmediate(() => ends[1 - i]?.emit('message', structuredClone(message))),
      }),
    ) as unknown as [ConstructorParameters<typeof Channel>[0], ConstructorParameters<typeof Channel>[0]];
    new Channel(far, local, { remote: 'near', limitsMs: {} });
    return new Channel<Greeter>(near, {}, { remote: 'far', limitsMs: { greet: 3000 }, clock });
  }

  it('calls and answers', async () => {
    const channel = connect({ greet: async (name: string) => `hello ${name}` });
    expect(await Promise.all([channel.call('greet', 'a'), channel.call('greet', 'b')])).toEqual([
      'hello a',
      'hello b',
    ]);
  });

  it('carries what was thrown', async () => {
    const channel = connect({
      fail() {
        throw new Error('not today');
      },
    });
    await expect(channel.call('fail')).rejects.toThrow('not today');
  });

  it('gives up a call that is not answered in time, and no other', async () => {
    const clock = new StubClock();
    const channel = connect({ greet: () => new Promise(() => {}), fail: () => new Promise(() => {}) }, clock);
    const waiting = channel.call('greet', 'a');
    let isFailDone = false;
    channel.call('fail').finally(() => {
      isFailDone = true;
    });
    clock.advance(2900);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(250);
    await expect(waiting).rejects.toThrow('far did not respond to greet before the timeout');
    expect(isFailDone).toBe(false);
  });

  it('rejects what waits and what comes when it is closed', async () => {
    const channel = connect({ greet: () => new Promise(() => {}) });
    const waiting = channel.call('greet', 'a');
    channel.close('the worker ended');
    await expect(waiting).rejects.toThrow('the worker ended');
    await expect(channel.call('greet', 'b')).rejects.toThrow('the worker ended');
  });
});

describe('the delay before a restart', () => {
  it('is none after a long life, doubles after short ones, and has an end', () => {
    const delay = new RestartDelay();
    expect([1, 1, 1, 1].map((livedMs) => delay.next(livedMs))).toEqual([0, 1000, 2000, 4000]);
    for (let i = 0; i < 10; i++) delay.next(1);
    expect(delay.next(1)).toBe(30_000);
    expect(delay.next(60_000)).toBe(0);
    expect(delay.next(1)).toBe(1000);
  });
});

describe('the lines of a worker', () => {
  it('are passed on whole and with its number, whatever the pieces they come in', async () => {
    const lines: string[] = [];
    const output = new PassThrough();
    const destination = {
      droppedLines: 0,
      write: (line: string) => void lines.push(line),
      flushSync() {},
      close: async () => {},
    };
    const read = forwardLines(output, destination, 7);
    const bytes = Buffer.from('{"level":30,"msg":"é"}\nno JSON\n{"msg":"b"}\nthe rest');
    for (const byte of bytes) output.write(Buffer.from([byte]));
    output.end();
    await once(output, 'close');
    await read;
    expect(lines).toEqual([
      '{"worker":7,"level":30,"msg":"é"}\n',
      'no JSON\n',
      '{"worker":7,"msg":"b"}\n',
      'the rest\n',
    ]);
  });
});

describe('changed code', () => {
  it('is a file that was imported and holds something else, at any depth', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
    const config = (...files: string[]): GatewayConfig =>
      ({
        customPolicies: Object.fromEntries(files.map((name) => [`a/${name}`, join(folder, name)])),
        upstreams: { app: { app: join(folder, 'app.mjs') } },
        authServices: {},
        routes: [{ aggregate: { compose: join(folder, 'home.mjs') } }],
      }) as unknown as GatewayConfig;
    await write('a.mjs', "import { b } from './b.mjs';");
    await write('b.mjs', "export { c } from './c.mjs';\nimport './a.mjs';");
    await write('c.mjs', 'one');
    await write('app.mjs', 'one');
    await write('home.mjs', 'one');
    const known = await readCodeKeys(config('a.mjs'));
    expect(isCodeChanged(known, await readCodeKeys(config('a.mjs')))).toBe(false);
    expect(isCodeChanged(known, await readCodeKeys(config()))).toBe(false);
    await write('c.mjs', 'two');
    expect(isCodeChanged(known, await readCodeKeys(config('a.mjs')))).toBe(true);
    expect(isCodeChanged(known, await readCodeKeys(config()))).toBe(false);
    await write('home.mjs', 'two');
    expect(isCodeChanged(known, await readCodeKeys(config()))).toBe(true);
    await write('home.mjs', 'one');
    await write('app.mjs', 'two');
    expect(isCodeChanged(known, await readCodeKeys(config()))).toBe(true);
  });
});

describe('descriptions', () => {
  const description = (
    target: Partial<TargetDescription>,
    breaker: 'closed' | 'open',
  ): GatewayDescription => ({
    version: 2,
    routes: [{ id: 'r', path: '/', upstreams: ['u'] }],
    upstreams: [
      {
        name: 'u',
        breaker,
        targets: [{ target: 'a:1', state: 'healthy', weight: 1, activeRequests: 2, ...target }],
      },
    ],
  });

  it('of several workers tell the worst, and how many see it so', () => {
    const merged = mergeDescriptions([
      description({}, 'closed'),
      description({ state: 'ejected', reason: 'five failures', activeRequests: 1 }, 'open'),
      description({}, 'closed'),
    ]);
    expect(merged).toEqual(
      description(
        { state: 'ejected', reason: 'five failures (as 1 of 3 workers see it)', activeRequests: 5 },
        'open',
      ),
    );
  });

  it('of one worker are its own', () => {
    const one = description({}, 'closed');
    expect(mergeDescriptions([one])).toBe(one);
  });
});
