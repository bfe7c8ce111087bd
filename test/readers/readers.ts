import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { type Handler } from 'express';
import { ensureCommands, findCommand } from '../../scripts/ensure-packages.ts';
import { RawClient } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';

/**
 * Services that read a request each in its own way and answer how: what it falls under, and what the gateway said of it.
 * All serve the same: `/admin` and below, POST `/login`, `/v1/items:purge`, `/users/@root`, `/users/:id`, `/me`, all of
 * `inner.…`, and the rest.
 */
export interface Reader {
  readonly name: string;
  readonly url: string;
  close(): Promise<void>;
}

/** Express 5 with its defaults: case means nothing, nor does a slash at the end. */
export async function startExpress(): Promise<Reader> {
  const app = express();
  app.set('trust proxy', true);
  app.use((request, _, next) => {
    request.method = request.get('x-http-method-override') ?? request.method;
    request.url = request.get('x-original-url') ?? request.get('x-rewrite-url') ?? request.url;
    next();
  });
  const answer =
    (handler: string): Handler =>
    (request, response) => {
      const {
        headers,
        hostname,
        originalUrl: target = '',
      } = request as typeof request & { originalUrl?: string };
      response.json({
        handler: hostname.toLowerCase().startsWith('inner.') ? 'inner' : handler,
        ran: headers['x-ran'] ?? '',
        route: headers['x-route'] ?? '',
        subject: headers['x-auth-subject'] ?? '',
        authorization: headers.authorization ?? '',
        target,
      });
    };
  app.all('/admin{/*rest}', answer('admin'));
  app.post('/login', answer('login'));
  app.all('/v1/items\\:purge', answer('purge'));
  app.all('/users/@root', answer('root'));
  app.all('/users/:id', answer('user'));
  app.all('/me', answer('me'));
  app.use(answer('rest'));
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    name: 'express',
    url: `http://${LOOPBACK}:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** nginx as it comes: it decodes, resolves dots and merges slashes before it looks for a location. */
export async function startNginx(): Promise<Reader> {
  ensureCommands(['nginx']);
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-reader-'));
  const port = await reservePort();
  await writeFile(join(folder, 'nginx.conf'), nginxConfig(folder, port));
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const child = spawn(findCommand('nginx') as string, args, { stdio: 'ignore' });
  await untilTaking(port, child);
  return readerOf('nginx', port, child, folder);
}

function nginxConfig(folder: string, port: number): string {
  const answer = (handler: string): string =>
    `return 200 '{"handler":"${handler}","ran":"$http_x_ran","route":"$http_x_route","subject":"$http_x_auth_subject","authorization":"$http_authorization","target":""}';`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid ${folder}/pid;
error_log /dev/null;
events {}
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n  ')}
  server {
    listen ${LOOPBACK}:${port} default_server;
    location = /admin { ${answer('admin')} }
    location /admin/ { ${answer('admin')} }
    location = /login {
      if ($request_method = POST) { ${answer('login')} }
      ${answer('rest')}
    }
    location = /v1/items:purge { ${answer('purge')} }
    location = /users/@root { ${answer('root')} }
    location ~ ^/users/[^/]+$ { ${answer('user')} }
    location = /me { ${answer('me')} }
    location / { ${answer('rest')} }
  }
  server {
    listen ${LOOPBACK}:${port};
    server_name inner.*;
    ${answer('inner')}
  }
}
`;
}

/** Python's http.server, whose paths urllib decodes and posixpath resolves, without the slash at the end. */
export async function startPython(): Promise<Reader> {
  ensureCommands(['python3']);
  const file = fileURLToPath(new URL('fixtures/reader.py', import.meta.url));
  const child = spawn(findCommand('python3') as string, [file, LOOPBACK], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return readerOf('python', await portTold(child), child);
}

/** Go's net/http mux. */
export async function startGo(): Promise<Reader> {
  ensureCommands(['go']);
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-reader-'));
  const program = join(folder, 'reader');
  const file = fileURLToPath(new URL('fixtures/reader.go', import.meta.url));
  const env = {
    ...process.env,
    GOCACHE: join(folder, 'cache'),
    GOPATH: join(folder, 'path'),
    CGO_ENABLED: '0',
  };
  const { status, stderr } = spawnSync('go', ['build', '-o', program, file], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`go build failed:\n${stderr}`);
  const child = spawn(program, [LOOPBACK], { stdio: ['ignore', 'pipe', 'inherit'] });
  return readerOf('go', await portTold(child), child, folder);
}

function readerOf(name: string, port: number, child: ChildProcess, folder?: string): Reader {
  return {
    name,
    url: `http://${LOOPBACK}:${port}`,
    async close() {
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function portTold(child: ChildProcess): Promise<number> {
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  return Number(String(line));
}

async function untilTaking(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error('the reader ended');
    const client = await RawClient.connect(port).catch(() => undefined);
    client?.destroy();
    if (client !== undefined) return;
  }
}
