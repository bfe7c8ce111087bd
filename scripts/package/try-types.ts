import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeProject } from './layouts.ts';
import type { PackedPackage } from './pack.ts';
import { attemptRun, run } from './run.ts';

const COMPILERS = ['5.9.3', '7.0.2'];
const OPTIONS = [
  { module: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
  { module: 'preserve', moduleResolution: 'bundler' },
];

const GOOD = `\
import { writeFileSync } from 'node:fs';
import {
  type APIRequest,
  createGateway,
  defineAuthService,
  defineGateway,
  defineIdentifyingPolicy,
  definePolicy,
  type Exchange,
  GatewayError,
  jwt,
  type Policy,
  rateLimit,
  type Services,
  usePolicy,
} from 'sallyport';
import { z } from 'zod';

const audit = definePolicy({
  name: 'acme/audit',
  summary: 'Writes who changes what.',
  options: z.strictObject({ file: z.string(), level: z.int().optional() }),
  create: ({ file }, services: Services) => ({
    onRequest(exchange: Exchange) {
      services.log.info({ id: exchange.requestId }, 'asked');
      if (exchange.identity === undefined) return new GatewayError('GW_FORBIDDEN');
      writeFileSync(file, exchange.identity.subject);
      return undefined;
    },
  }),
});
const session = defineIdentifyingPolicy({
  name: 'acme/session',
  summary: 'Identifies by a session.',
  options: z.strictObject({}),
  createIdentifier: () => ({ challenge: 'Session', isOptional: false, identify: () => undefined, dropCredential() {} }),
});
export const policies: readonly Policy[] = [audit, session];

export const config = defineGateway({
  listeners: [{ port: 8080 }],
  customPolicies: { 'acme/audit': audit, 'acme/session': session },
  authServices: { main: { code: defineAuthService({ verifyToken: () => undefined }) } },
  upstreams: { app: { app: async (app) => void app.get('/', async () => 'hello') } },
  policies: ['acme/session', usePolicy(audit, { file: './audit.log' }), rateLimit({ limit: 5, window: '1m' })],
  routes: [{ id: 'a', path: '/', upstream: 'app', policies: [{ 'acme/audit': { file: 'x' } }] }],
});
export const withToken = defineGateway({ listeners: [{ port: 8080 }], policies: [jwt({ service: 'main' })] });

const gateway = await createGateway({ config, logLevel: 'silent' });
const request: APIRequest = { method: 'GET', path: '/', headers: {}, queryParams: {}, body: undefined };
const { status } = await gateway.handleRequest(request);
status satisfies number;
await gateway.reload(withToken);
`;

/** Each of these lines is one mistake, which the compiler has to find. */
const MISTAKES = [
  "defineGateway({ listeners, customPolicies, policies: [{ 'acme/audit': { fil: 'x' } }] });",
  "defineGateway({ listeners, customPolicies, policies: [{ 'acme/audit': { file: 'x', levle: 1 } }] });",
  "defineGateway({ listeners, customPolicies, policies: ['acme/adit'] });",
  "defineGateway({ listeners, customPolicies, policies: ['acme/audit'] });",
  "usePolicy(audit, { fil: 'x' });",
  "void createGateway({ config: { listeners, customPolicies, policies: [{ 'acme/audit': { fil: 'x' } }] } });",
  "defineGateway({ listeners, routes: [{ id: 'a', path: '/', respnd: {} }] });",
  'void createGateway({});',
];
const BAD = `\
import { createGateway, defineGateway, definePolicy, usePolicy } from 'sallyport';
import { z } from 'zod';
const audit = definePolicy({
  name: 'acme/audit',
  options: z.strictObject({ file: z.string(), level: z.int().optional() }),
  create: () => ({}),
});
const customPolicies = { 'acme/audit': audit };
const listeners = [{ port: 8080 }];
${MISTAKES.join('\n')}
`;

/** Compiles a project against the types, strictly, with each compiler and each way to find modules. */
export function tryTypes({ tarball, dependencies }: PackedPackage, folder: string): void {
  for (const version of COMPILERS) {
    const project = makeProject(folder, version);
    const zod = `zod@${dependencies.zod}`;
    run(project, 'npm', 'install', tarball, zod, `typescript@${version}`, '@types/node@24');
    writeFileSync(path.join(project, 'good.ts'), GOOD);
    writeFileSync(path.join(project, 'bad.ts'), BAD);
    for (const options of OPTIONS) {
      const where = `TypeScript ${version}, ${JSON.stringify(options)}`;
      const good = compile(project, 'good.ts', options);
      if (good !== '') throw new Error(`${where}:\n${good}`);
      const bad = compile(project, 'bad.ts', options);
      const first = BAD.split('\n').indexOf(MISTAKES[0] ?? '') + 1;
      const passed = MISTAKES.filter((_, i) => !bad.includes(`bad.ts(${first + i},`));
      if (passed.length > 0) throw new Error(`${where} compiles:\n${passed.join('\n')}`);
    }
  }
}

function compile(project: string, file: string, options: object): string {
  const compilerOptions = {
    target: 'es2024',
    lib: ['es2024'],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    types: ['node'],
    ...options,
  };
  const name = `tsconfig.${file}.json`;
  writeFileSync(path.join(project, name), JSON.stringify({ compilerOptions, files: [file] }));
  const tsc = path.join(project, 'node_modules/typescript/bin/tsc');
  return attemptRun(project, process.execPath, tsc, '--project', name, '--pretty', 'false').stdout;
}
