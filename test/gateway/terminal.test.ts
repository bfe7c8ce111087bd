import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { CLI } from '../support/bundled-gateway.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';

const terminal = path.resolve(import.meta.dirname, 'fixtures/terminal.py');

function startOnTerminal(configFile: string): ChildProcessWithoutNullStreams {
  const child = spawn('python3', [terminal, process.execPath, CLI, 'start', '--config', configFile]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function shown(child: ChildProcessWithoutNullStreams, text: string): Promise<void> {
  let output = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    if (output.includes(text)) return void child.stdout.resume();
  }
  throw new Error(`the gateway ended: ${output}`);
}

// Whoever waited for `delay`, or spared the idle connection for long, would not end before the test does.
it.each([1, 2])(
  'Ctrl-C on a terminal ends an idle gateway of %s at once, and its port is free',
  async (workers) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const configFile = path.join(folder, 'sallyport.json');
    const port = await reservePort();
    const config = {
      listeners: [{ host: LOOPBACK, port }],
      admin: { host: LOOPBACK, port: 0 },
      routes: [{ id: 'all', path: '/*', respond: {} }],
      workers,
      drain: { delay: '1h' },
    };
    writeFileSync(configFile, JSON.stringify(config));
    for (let round = 0; round < 2; round++) {
      const gateway = startOnTerminal(configFile);
      await shown(gateway, 'gateway started');
      const idle = connect({ host: LOOPBACK, port });
      await once(idle, 'connect');
      const idleEnds = once(idle.resume(), 'close');
      gateway.stdin.write('x');
      expect(await once(gateway, 'close')).toEqual([0, null]);
      await idleEnds;
    }
  },
);
