import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { readTextFile } from '../core/disk/read-text-file.ts';
import type { OptionFiles, Policy } from '../core/policy.ts';
import { nameGivenCode } from '../core/user-code/code-value.ts';
import { checkGateway } from './check/check.ts';
import { checkFiles } from './check/referenced-files.ts';
import { checkOptions } from './check-options.ts';
import { valueDocument } from './document/code-document.ts';
import { coerceReferences } from './document/coerce.ts';
import { importCustomPolicies } from './document/custom-policies.ts';
import type { ConfigDocument } from './document/document.ts';
import { type Interpolated, interpolate, pathKey } from './document/interpolate.ts';
import { readDocument } from './document/read-document.ts';
import { expandRoutes } from './expand-routes.ts';
import { asFields } from './findings.ts';
import { Fingerprint } from './fingerprint.ts';
import { describeIssue, type Finding } from './issue-problems.ts';
import { joinPolicies } from './join-policies.ts';
import { formatPath, type Problem, splitRemedy } from './problem.ts';
import { knownKeysOf } from './schema/json-schema.ts';
import { type GatewayConfig, parseGateway } from './schema/schema.ts';
import { hideSecrets } from './secrets.ts';

export interface LoadOptions {
  /** The policies that are built in. */
  readonly policies: readonly Policy[];
  /** Where `${NAME}` finds its value. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Policies of one's own that are given beside the configuration, in place of those that it names, if it does. */
  readonly customPolicies?: Readonly<Record<string, Policy>> | undefined;
  /** Reads a text file; the one of the file system unless given. */
  readonly readFile?: (path: string) => Promise<string>;
}

/** What came of loading: a configuration to use, or everything that is wrong with it. */
export type LoadResult =
  | {
      readonly ok: true;
      readonly config: GatewayConfig;
      readonly warnings: readonly Problem[];
      readonly customPolicies: readonly Policy[];
      /** The values that came out of references, for `redactConfig`. */
      readonly secrets: readonly string[];
      /**
       * The same for the same content of the file, of all that it refers to and of the files that it names. `undefined` where it
       * names code, which may read other files.
       */
      readonly fingerprint: string | undefined;
      readonly documents: readonly ReadDocument[];
    }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      readonly documents: readonly ReadDocument[];
    };

/** A file that policies have read beside the configuration: what changes in it is another configuration. */
export interface ReadDocument {
  readonly path: string;
  /** SHA-256 of its content, in hexadecimal. */
  readonly contentKey: string;
}

/** Loads a configuration file and reports all of its mistakes at once. */
export async function loadConfig(file: string, options: LoadOptions): Promise<LoadResult> {
  const read = (readFile: ReadFile) => readDocument(resolve(file), readFile);
  return loadDocument(read, { file, folder: dirname(resolve(file)) }, options);
}

/** Loads a configuration that is a value in this process, in the form in which it is written, and does the same. */
export function loadConfigValue(config: unknown, folder: string, options: LoadOptions): Promise<LoadResult> {
  return loadDocument(async () => valueDocument(config), { file: VALUE_NAME, folder }, options);
}

/** What the problems of a configuration without a file have in place of its name. */
const VALUE_NAME = 'config';

type ReadFile = (path: string) => Promise<string>;

interface ConfigPlace {
  /** As problems name it. */
  readonly file: string;
  /** Where files that it names are found from. */
  readonly folder: string;
}

/**
 * 1. The text becomes plain data. What cannot be read ends here.
 * 2. References are replaced.
 * 3. Custom policies are imported, since their options belong to the schema.
 * 4. Routes are made of the OpenAPI documents in `routesFrom`.
 * 5. The schema judges each part, the checks how they fit together, malformed ones included.
 * 6. What was found gets its place in the file, and loses what must not be shown.
 */
async function loadDocument(
  readFrom: (readFile: ReadFile) => Promise<ConfigDocument>,
  { file, folder }: ConfigPlace,
  options: LoadOptions,
): Promise<LoadResult> {
  const { env } = options;
  const fingerprint = new Fingerprint();
  const readFile = fingerprint.noting(options.readFile ?? readTextFile);
  // 1.
  const document = await readFrom(readFile);
  if (!document.isUsable) return { ok: false, problems: documentProblems(document, file), documents: [] };
  // 2.
  const interpolated = withGivenPolicies(
    await interpolate(withAdminToken(document.data, env), { env, folder, readFile }),
    options.customPolicies,
  );
  // 3.
  const custom = await importCustomPolicies(asFields(interpolated.data).customPolicies, folder);
  const policies = joinPolicies(options.policies, custom.policies);
  // 4.
  const { files, documents } = notingFiles(folder, readFile);
  const expanded = await expandRoutes(interpolated.data, files);
  // 5.
  const judged = judge({ ...interpolated, data: expanded.data }, policies, folder);
  const missing = await checkFiles(interpolated.data, folder, readFile);
  const found = await checkOptions(interpolated.data, policies, files);
  // 6.
  const place = placer(document, file, interpolated, expanded.trace);
  const problems = [
    ...documentProblems(document, file),
    ...interpolated.faults.map(({ path, text }) => place.exactly({ path, ...worded(text) })),
    ...place.all([
      ...judged.problems,
      ...custom.problems,
      ...missing,
      ...found.problems,
      ...expanded.problems,
    ]),
  ].sort(byPlace);
  const read = [...documents.values()];
  if (problems.length > 0 || judged.config === undefined) return { ok: false, problems, documents: read };
  return {
    ok: true,
    config: judged.config,
    warnings: [
      ...interpolated.doubts.map(({ path, text }) => place.exactly({ path, ...worded(text) })),
      ...place.all([...judged.warnings, ...found.warnings, ...expanded.warnings]),
    ].sort(byPlace),
    customPolicies: custom.policies,
    secrets: [...interpolated.secrets],
    fingerprint: fingerprint.of(interpolated.data),
    documents: read,
  };
}

/** The files that policies and routes are made of, as they are read: each is noted, and what is made of them is made once. */
function notingFiles(folder: string, readFile: ReadFile) {
  const documents = new Map<string, ReadDocument>();
  const made = new Map<string, Promise<unknown>>();
  const files: OptionFiles = {
    folder,
    async read(path) {
      documents.set(path, { path, contentKey: '' });
      const text = await readFile(path);
      documents.set(path, { path, contentKey: createHash('sha256').update(text).digest('hex') });
      return text;
    },
    share<T>(key: string, make: () => Promise<T>): Promise<T> {
      const known = made.get(key) ?? make();
      made.set(key, known);
      return known as Promise<T>;
    },
  };
  return { files, documents };
}

const ADMIN_TOKEN = 'SALLYPORT_ADMIN_TOKEN';

/** Names the variable that opens the admin port where a configuration says nothing of a token and there is one. */
function withAdminToken(data: unknown, env: LoadOptions['env']): unknown {
  const { admin = {}, ...others } = asFields(data);
  const isMap = typeof admin === 'object' && admin !== null && !Array.isArray(admin);
  if ((env[ADMIN_TOKEN] ?? '') === '' || !isMap || Object.hasOwn(admin, 'token')) return data;
  return { ...others, admin: { ...admin, token: `\${${ADMIN_TOKEN}}` } };
}

/** Puts policies that are given beside the configuration in place of those that it names. */
function withGivenPolicies(
  interpolated: Interpolated,
  policies: LoadOptions['customPolicies'] = {},
): Interpolated {
  const given = Object.entries(policies).map(([name, policy]) => [name, nameGivenCode(policy)]);
  if (given.length === 0) return interpolated;
  const data = asFields(interpolated.data);
  const customPolicies = { ...asFields(data.customPolicies), ...Object.fromEntries(given) };
  return { ...interpolated, data: { ...data, customPolicies } };
}

interface Judged {
  readonly config: GatewayConfig | undefined;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

function judge(interpolated: Interpolated, policies: readonly Policy[], folder: string): Judged {
  const { data, references } = interpolated;
  let parsed = parseGateway(data, policies, folder);
  if (!parsed.success && coerceReferences(parsed.error.issues, interpolated))
    parsed = parseGateway(data, policies, folder);
  const knownKeys = knownKeysOf(policies);
  const { problems, warnings } = checkGateway(data, policies, (path) => references.has(pathKey(path)));
  return {
    config: parsed.data,
    problems: [
      ...(parsed.error?.issues ?? []).flatMap((issue) => describeIssue(issue, data, knownKeys)),
      ...findUncloneable(parsed.data),
      ...problems,
    ],
    warnings,
  };
}

/** A configuration crosses threads, so what a policy's schema makes of its options must be data as well. */
function findUncloneable(config: GatewayConfig | undefined): Finding[] {
  if (config === undefined) return [];
  const uses = [
    ...config.policies.map((entry, i) => ({ entry, path: ['policies', i] })),
    ...config.routes.flatMap(({ policies }, i) =>
      policies.map((entry, j) => ({ entry, path: ['routes', i, 'policies', j] })),
    ),
  ];
  if (isCloneable(uses.map(({ entry }) => entry.options))) return [];
  const remedy = 'let its schema give plain data, and build the rest in create';
  return uses
    .filter(({ entry }) => !isCloneable(entry.options))
    .map(({ entry, path }) => ({
      path,
      message: `the schema of ${entry.name} makes more than data of its options`,
      remedy,
    }));
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

function documentProblems(document: ConfigDocument, file: string): Problem[] {
  return document.faults.map(({ path, position, text }) => ({
    path: formatPath(path),
    file,
    ...position,
    ...worded(text),
  }));
}

function worded(text: string): { message: string; remedy: string } {
  const { message, remedy = '' } = splitRemedy(text);
  return { message, remedy };
}

/** Turns findings into problems; leaves out those at places whose reference is reported as broken already. */
function placer(
  document: ConfigDocument,
  file: string,
  { references, secrets }: Interpolated,
  trace: (finding: Finding) => Finding,
) {
  const broken = [...references.values()].filter(({ isBroken }) => isBroken).map(({ path }) => pathKey(path));
  const isBroken = new Set(broken);
  const exactly = ({ path, message, remedy, isAtKey, place }: Finding): Problem => ({
    path: formatPath(path),
    ...(place ?? { file, ...document.locate(path, isAtKey === true ? 'key' : 'value') }),
    message,
    remedy,
  });
  const all = (findings: readonly Finding[]): Problem[] => {
    const problems = findings
      .map(trace)
      .filter(
        ({ path }) =>
          isBroken.size === 0 || !path.some((_, i) => isBroken.has(pathKey(path.slice(0, i + 1)))),
      )
      .map((finding) => hideSecrets(exactly(finding), secrets));
    // What is wrong with an entry of which many routes are made is said once.
    return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
  };
  return { exactly, all };
}

function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
