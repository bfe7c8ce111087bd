import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { createGateway } from '../../src/index.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { CLI } from '../support/bundled-gateway.ts';
import { startTarget } from '../support/harness.ts';
import { LOOPBACK, listenOnLoopback } from '../support/loopback.ts';

const readme = await readFile(path.join(import.meta.dirname, '../../README.md'), 'utf8');
const section = readme.slice(readme.indexOf('## Your first protected route'));
const [, config = ''] = /```yaml\n([\s\S]*?)```/.exec(section) ?? [];

async function writeConfig(text: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sallyport-newcomer-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'sallyport.yaml');
  await writeFile(file, text);
  return file;
}

it('the first protected route of the README does what the README shows', async () => {
  const [, command = '', shown = ''] = /\$ (curl .*)\n(\{[\s\S]*?\n\})/.exec(section) ?? [];
  const target = await startTarget();
  const text = listenOnLoopback(config).replace('http://127.0.0.1:9003', target.url);
  const configFile = await writeConfig(`${text}drain: { delay: 0s }\n`);
  const gateway = await createGateway({ configFile, env: {}, logDestination: new MemoryDestination() });
  await gateway.start();
  const [, route = ''] = /'localhost:8081(.*)'/.exec(command) ?? [];
  const url = `http://${LOOPBACK}:${gateway.ports[0]}${route}`;
  const unknown = await fetch(url);
  const answer = await fetch(url, { headers: { 'x-api-key': await makeKey(configFile) } });
  const told = (await answer.json()) as { url: string; headers: Record<string, string> };
  await gateway.close();
  expect(unknown.status).toBe(401);
  const promised = JSON.parse(shown) as typeof told;
  expect(told.url).toBe(promised.url);
  expect(Object.keys(told.headers)).toEqual(expect.arrayContaining(Object.keys(promised.headers)));
  expect(Object.keys(told.headers)).not.toContain('x-api-key');
  for (const name of ['via', 'x-auth-subject', 'x-auth-roles'])
    expect(told.headers[name]).toBe(promised.headers[name]);
});

/** Makes the key of the README, by its command. */
async function makeKey(configFile: string): Promise<string> {
  const [, options = ''] = /\$ npx sallyport (keys create .*)/.exec(section) ?? [];
  const args = [CLI, ...options.split(' '), '--json', '--config', configFile];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return (JSON.parse(stdout) as { key: string }).key;
}

it('the mistake of the README is told as the README shows', async () => {
  const [, shown = ''] = /\$ npx sallyport check\n(.*)/.exec(section) ?? [];
  const file = await writeConfig(config.replace('upstream: echo', 'upstream: ehco'));
  const result = await loadConfig(file, { policies: builtInPolicies, env: {} });
  const problems = result.ok ? [] : result.problems.map(formatProblem);
  expect(problems.map((problem) => problem.replace(`${path.dirname(file)}/`, ''))).toEqual([
    shown.replace(/^\.\//, ''),
  ]);
});

it('the demo is told of as it is', async () => {
  const demo = await readFile(path.join(import.meta.dirname, '../../demo/sallyport.yaml'), 'utf8');
  const { scripts } = JSON.parse(
    await readFile(path.join(import.meta.dirname, '../../package.json'), 'utf8'),
  ) as { scripts: Record<string, string> };
  expect(readme).toContain('npm ci && npm start');
  expect(scripts.start).toContain('demo/start.ts');
  for (const port of ['8080', '9901']) expect(demo).toContain(`port: ${port}`);
});
