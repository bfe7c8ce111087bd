import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { findOperatorAddress } from '../src/config/operator-address.ts';
import { LOOPBACK, reservePort } from './support/loopback.ts';

// No engine runs containers here. What the Dockerfile and the recipe say is read from them, and its commands run in
// folders that are laid out like the image.

const root = path.resolve(import.meta.dirname, '..');
const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8');
const guide = readFileSync(path.join(root, 'docs/guide/operations.md'), 'utf8');

function instruction(name: string): string {
  const [, last] = [...dockerfile.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].at(-1) ?? [];
  if (last === undefined) throw new Error(`the Dockerfile has no ${name}`);
  return last;
}

interface Image {
  readonly etc: string;
  run(command: readonly string[], env?: NodeJS.ProcessEnv): ReturnType<typeof spawn>;
}

// What the image has at `/app`, laid out once.
const app = mkdtempSync(path.join(tmpdir(), 'sallyport-image-'));
chmodSync(app, 0o755);
cpSync(path.join(root, 'dist'), path.join(app, 'dist'), { recursive: true });
cpSync(path.join(root, 'package.json'), path.join(app, 'package.json'));
symlinkSync(path.join(root, 'node_modules'), path.join(app, 'node_modules'));
afterAll(() => rmSync(app, { recursive: true }));
const user = imageUser();

/** Lays out what the image has at `/etc/sallyport`, where nothing can be written. */
function layOut(config: string, name = 'sallyport.yaml'): Image {
  const etc = mkdtempSync(path.join(tmpdir(), 'sallyport-etc-'));
  onTestFinished(() => {
    chmodSync(etc, 0o755);
    rmSync(etc, { recursive: true });
  });
  writeFileSync(path.join(etc, name), config);
  chmodSync(etc, 0o555);
  const run: Image['run'] = ([program, ...args], env = {}) => {
    const [command, ...rest] = [program === 'node' ? process.execPath : (program as string), ...args];
    const placed = rest.map((arg) => arg.replace(/^\/app\//, `${app}/`));
    const { PATH = '' } = process.env;
    const child = spawn(command as string, placed, { cwd: etc, env: { PATH, ...env }, ...user });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  return { etc, run };
}

/** The user of the image, where we may become it and it may read the checkout. */
function imageUser(): { uid: number; gid: number } | undefined {
  const [uid = 0, gid = 0] = instruction('USER').split(':').map(Number);
  const probe = ['-e', `require('fs').readdirSync(${JSON.stringify(path.join(root, 'node_modules'))})`];
  const isPossible =
    process.getuid?.() === 0 && spawnSync(process.execPath, probe, { uid, gid }).status === 0;
  return isPossible ? { uid, gid } : undefined;
}

async function exitOf(child: ReturnType<typeof spawn>): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout?.resume();
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  return { code, stderr };
}

async function started(child: ReturnType<typeof spawn>): Promise<void> {
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  if (child.stdout === null) throw new TypeError('there is no output');
  for await (const line of createInterface(child.stdout)) if (line.includes('gateway started')) return;
  throw new Error(`the gateway ended: ${errors}`);
}

const start = [...JSON.parse(instruction('ENTRYPOINT')), ...JSON.parse(instruction('CMD'))] as string[];
const healthcheck = JSON.parse(/CMD (\[.*\])$/.exec(instruction('HEALTHCHECK'))?.[1] ?? '') as string[];
const listeners = `listeners: [{ host: ${LOOPBACK}, port: 0 }]`;
const routes = 'routes: [{ id: all, path: /*, respond: {} }]';

describe('the image', () => {
  it('runs as a user that is a number, not 0, and is told to drain', () => {
    expect(instruction('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(instruction('STOPSIGNAL')).toBe('SIGTERM');
  });

  it('has no npm: its last stage is not that of Node, and takes the program alone', () => {
    expect(instruction('FROM')).not.toContain('node');
    expect(dockerfile).toContain('COPY --from=build /usr/local/bin/node /usr/local/bin/node');
  });

  it.each<[name: string, write: (port: number) => string]>([
    ['sallyport.yaml', (port) => `admin: { host: ${LOOPBACK}, port: ${port} }\n${listeners}\n${routes}\n`],
    ['sallyport.yml', () => `admin: { host: "\${HOST}", port: "\${PORT}" }\n${listeners}\n${routes}\n`],
    [
      'sallyport.json',
      (port) =>
        JSON.stringify({
          admin: { host: LOOPBACK, port: 0 },
          status: { host: LOOPBACK, port },
          listeners: [{ host: LOOPBACK, port: 0 }],
          routes: [{ id: 'all', path: '/*', respond: {} }],
        }),
    ],
    [
      'sallyport.ts',
      (port) =>
        `const host: string = '${LOOPBACK}';
         export default { admin: { host, port: ${port} }, listeners: [{ host, port: 0 }], routes: [] };`,
    ],
  ])(
    'starts on a read-only %s, and its health check asks the port that stands there',
    async (name, write) => {
      const port = await reservePort();
      const image = layOut(write(port), name);
      const env = {
        SALLYPORT_ADMIN_TOKEN: 'a-token-from-a-secret-of-the-cluster',
        PORT: String(port),
        HOST: LOOPBACK,
      };
      expect(await exitOf(image.run(healthcheck, env))).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(new RegExp(`:${port}/healthz cannot be reached: ECONNREFUSED\n$`)),
      });
      const gateway = image.run(start, env);
      await started(gateway);
      expect(await exitOf(image.run(healthcheck, env))).toEqual({ code: 0, stderr: '' });
      expect(await exitOf(image.run([...healthcheck, '--ready'], env))).toEqual({ code: 0, stderr: '' });
      gateway.kill(instruction('STOPSIGNAL') as NodeJS.Signals);
    },
  );

  it('says which port to write where nobody can know the one that the system chooses', async () => {
    const image = layOut(`admin: { port: 0 }\n${listeners}\n${routes}\n`);
    expect(await exitOf(image.run(healthcheck))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('write admin.port'),
    });
  });
});

describe('the address that the health check asks', () => {
  it.each([
    ['{}', '127.0.0.1:9901'],
    ['{ admin: { port: 1 } }', '127.0.0.1:1'],
    ['{ admin: { host: 0.0.0.0 }, status: {} }', '127.0.0.1:9901'],
    ['{ admin: { host: "::" } }', '[::1]:9901'],
    ['{ admin: { host: "fd00::7", port: 2 } }', '[fd00::7]:2'],
    ['{ admin: { port: 0 }, status: { port: 3 } }', '127.0.0.1:3'],
    [`{ admin: { port: "\${NONE:-4}" }, upstreams: { no: 1 }, redis: { url: "\${SECRET}" } }`, '127.0.0.1:4'],
  ])('of %s is %s', async (config, address) => {
    const { etc } = layOut(config);
    expect(await findOperatorAddress(path.join(etc, 'sallyport.yaml'), {})).toBe(address);
  });
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data: Record<string, string>;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: { readonly runAsNonRoot: boolean };
        readonly volumes: readonly { readonly name: string; readonly configMap: { readonly name: string } }[];
        readonly containers: readonly [
          {
            readonly env: readonly { readonly name: string }[];
            readonly ports: readonly { readonly name?: string; readonly containerPort: number }[];
            readonly volumeMounts: readonly { readonly mountPath: string; readonly readOnly: boolean }[];
            readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
            readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
          },
        ];
      };
    };
  };
}

describe('the Kubernetes recipe', () => {
  const [, text = ''] = /```yaml\n(# Kubernetes[\s\S]*?)```/.exec(guide) ?? [];
  const manifests = parseAllDocuments(text).map((document) => {
    expect('errors' in document ? document.errors : []).toEqual([]);
    return ('toJS' in document ? document.toJS() : undefined) as Manifest;
  });
  const find = (kind: string) => manifests.find((manifest) => manifest.kind === kind) as Manifest;

  it('starts as written, on what the ConfigMap holds and the token of the Secret', async () => {
    const { spec } = find('Deployment').spec.template;
    const [container] = spec.containers;
    expect(container.volumeMounts).toEqual([
      expect.objectContaining({ mountPath: instruction('WORKDIR'), readOnly: true }),
    ]);
    expect(spec.volumes[0]?.configMap.name).toBe(find('ConfigMap').metadata.name);
    const ports = new Map<number, number>();
    for (const { containerPort } of container.ports) ports.set(containerPort, await reservePort());
    const adminPort = await reservePort();
    const [[name, config] = ['', '']] = Object.entries(find('ConfigMap').data);
    // Other tests listen on this machine as well.
    const placed = [...ports].reduce(
      (all, [from, to]) =>
        all
          .replaceAll(`- port: ${from}`, `- { host: ${LOOPBACK}, port: ${to} }`)
          .replaceAll(`{ port: ${from}`, `{ host: ${LOOPBACK}, port: ${to}`),
      config,
    );
    const image = layOut(`${placed}admin: { host: ${LOOPBACK}, port: ${adminPort} }\n`, name);
    const token = 'a-token-from-a-secret-of-the-cluster';
    const gateway = image.run(start, Object.fromEntries(container.env.map((each) => [each.name, token])));
    await started(gateway);
    for (const { httpGet } of [container.livenessProbe, container.readinessProbe]) {
      const port = container.ports.find((each) => each.name === httpGet.port)?.containerPort ?? 0;
      const answer = await fetch(`http://${LOOPBACK}:${ports.get(port)}${httpGet.path}`);
      expect(answer.status).toBe(200);
      await answer.text();
    }
    const asked = (authorization: string) =>
      fetch(`http://${LOOPBACK}:${adminPort}/api/routes`, { headers: { authorization } });
    expect((await asked(`Bearer ${token}`)).status).toBe(200);
    expect((await asked('Bearer another-token-that-is-not-it')).status).toBe(401);
    gateway.kill('SIGTERM');
  });

  it('gives more time to stop than draining takes, and may demand a user that is not root', () => {
    const { spec } = find('Deployment').spec.template;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(25);
    expect(spec.securityContext.runAsNonRoot).toBe(true);
  });
});
