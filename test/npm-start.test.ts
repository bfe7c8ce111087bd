import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { gone } from './supervisor/pool-of.ts';

const root = path.resolve(import.meta.dirname, '..');

// Debian's shell stays between npm and what it starts, and dies of what npm passes on.
it.each(['start', 'dev'])(
  'SIGTERM to `npm run %s` reaches the demo itself, and nothing stays behind',
  async (name) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ scripts: { [name]: scripts[name] } }));
    cpSync(path.join(root, 'scripts/run.ts'), path.join(folder, 'scripts/run.ts'), { recursive: true });
    mkdirSync(path.join(folder, 'demo'));
    // Stands for the demo, whose ports are taken while somebody looks at it.
    const demo = `
    process.once('SIGTERM', () => { console.log('told'); process.exit(); });
    setInterval(() => {}, 1000);
    console.log('pid ' + process.pid);`;
    writeFileSync(path.join(folder, 'demo/start.ts'), demo);
    const npm = spawn('npm', ['run', '--silent', name], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void npm.kill('SIGKILL'));
    const lines = createInterface(npm.stdout);
    const [started] = (await once(lines, 'line')) as [string];
    const pid = Number(started.slice('pid '.length));
    onTestFinished(() => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {}
    });
    npm.kill('SIGTERM');
    expect(await once(lines, 'line')).toEqual(['told']);
    await gone(pid);
  },
);

it.each(['start', 'dev'])('`npm run %s` needs nothing of the shell, so that Windows runs it too', (name) => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(scripts[name]).toMatch(/^node [\w./ -]+$/);
});
