import { z } from 'zod';
import { describeIssue } from '../config/issue-problems.ts';
import { loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import { newKeySchema } from '../config/schema/api-keys-schema.ts';
import { duration } from '../config/schema/scalars.ts';
import { systemClock } from '../core/clock.ts';
import type { ApiKeyAdministration, ApiKeyRecord, IssuedApiKey } from '../core/identity/api-keys.ts';
import { describeApiKey, describeIssuedKey } from '../core/identity/describe-api-key.ts';
import type { Log, Metrics } from '../core/services.ts';
import { createGatewayKeys } from '../gateway/open-api-keys.ts';
import { builtInPolicies } from '../policies/index.ts';

/** The options of `keys create`, as they are written. */
export interface KeySettings {
  readonly owner: string;
  readonly role?: readonly string[];
  readonly permission?: readonly string[];
  readonly plan?: string;
  readonly route?: readonly string[];
  readonly ip?: readonly string[];
  readonly expires?: string;
  readonly metadata?: string;
}

/** One `sallyport keys …`. */
export type KeysAction =
  | { readonly kind: 'create'; readonly settings: KeySettings }
  | { readonly kind: 'list' }
  | { readonly kind: 'show'; readonly id: string }
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'disable' | 'enable'; readonly id: string }
  | { readonly kind: 'rotate'; readonly id: string; readonly grace: string }
  | { readonly kind: 'expire'; readonly id: string; readonly expires: string };

/** Does one thing with the keys of a configuration, beside a gateway that may be running, and prints what came of it. */
export async function runKeys(file: string, asJson: boolean, action: KeysAction): Promise<void> {
  const loaded = await loadConfig(file, { policies: builtInPolicies, env: process.env });
  if (!loaded.ok) throw new ConfigError(loaded.problems);
  const services = { log: STANDARD_ERROR, clock: systemClock, metrics: NO_METRICS, random: Math.random };
  const keys = createGatewayKeys(loaded.config, services);
  try {
    const routes = new Set(loaded.config.routes.map(({ id }) => id));
    console.log(await perform(await keys.administer(), action, asJson, routes));
  } finally {
    await keys.close();
  }
}

async function perform(
  keys: ApiKeyAdministration,
  action: KeysAction,
  asJson: boolean,
  routes: ReadonlySet<string>,
): Promise<string> {
  switch (action.kind) {
    case 'create':
      return showIssued(await keys.create(readSettings(action.settings, routes)), asJson);
    case 'list': {
      const records = await keys.list();
      return asJson ? json(records.map(describeApiKey)) : table(records);
    }
    case 'show':
      return showRecord(present(await keys.find(action.id), action.id));
    case 'rotate': {
      const issued = await keys.rotate(action.id, readDuration(action.grace, '--grace'));
      return showIssued(present(issued, action.id), asJson);
    }
    case 'delete':
      present((await keys.delete(action.id)) || undefined, action.id);
      return asJson ? json({ id: action.id, deleted: true }) : `Deleted ${action.id}.`;
    default: {
      const record = await keys.change(action.id, changeOf(action));
      return showRecord(present(record, action.id));
    }
  }
}

function changeOf(action: Extract<KeysAction, { kind: 'expire' | 'disable' | 'enable' }>) {
  if (action.kind === 'expire') return { expiresAt: readTime(action.expires) };
  return { isDisabled: action.kind === 'disable' };
}

/** Reads the options of `create`. Throws, saying which one is wrong. */
function readSettings(settings: KeySettings, routes: ReadonlySet<string>) {
  const { owner, role, permission, plan, route, ip, expires, metadata } = settings;
  const unknown = route?.find((id) => !routes.has(id));
  if (unknown !== undefined) throw new Error(`--route: the configuration has no route '${unknown}'`);
  const written = {
    owner,
    roles: role,
    permissions: permission,
    plan,
    routes: route,
    ips: ip,
    metadata: metadata === undefined ? undefined : readMetadata(metadata),
  };
  const parsed = newKeySchema().safeParse(written);
  if (parsed.success)
    return { ...parsed.data, expiresAt: expires === undefined ? undefined : readTime(expires) };
  const [finding] = parsed.error.issues.flatMap((issue) => describeIssue(issue, written, () => []));
  const name = String(finding?.path[0]);
  throw new Error(`--${OPTION_OF[name] ?? name}: ${finding?.message} — ${finding?.remedy}`);
}

const OPTION_OF: Readonly<Record<string, string>> = {
  roles: 'role',
  permissions: 'permission',
  routes: 'route',
  ips: 'ip',
};

function readMetadata(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`--metadata: is not JSON — write it like '{"contract":"4711"}'`);
  }
}

/** Reads a point in time. Throws where the text is not one. */
function readTime(text: string): number | undefined {
  if (text === 'never') return undefined;
  if (text === 'now') return Date.now();
  if (z.iso.datetime({ offset: true }).or(z.iso.date()).safeParse(text).success) return Date.parse(text);
  return Date.now() + readDuration(text, '--expires', ', or a time such as 2027-01-31T00:00:00Z');
}

function readDuration(text: string, option: string, or = ''): number {
  const parsed = duration().safeParse(text);
  if (parsed.success) return parsed.data;
  throw new Error(`${option}: ${parsed.error.issues[0]?.message}${or}`);
}

function present<T>(found: T | undefined, id: string): T {
  if (found === undefined) throw new Error(`there is no API key ${id}`);
  return found;
}

function showIssued(issued: IssuedApiKey, asJson: boolean): string {
  if (asJson) return json(describeIssuedKey(issued));
  return `id   ${issued.record.id}\nkey  ${issued.key}\nThe key is not shown again.`;
}

function showRecord(record: ApiKeyRecord): string {
  return json(describeApiKey(record));
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function table(records: readonly ApiKeyRecord[]): string {
  if (records.length === 0) return 'There are no API keys.';
  const rows = records.map((record) => [
    record.id,
    record.owner,
    record.roles.join(' '),
    record.plan ?? '',
    stateOf(record),
    record.lastUsedAt === undefined ? 'never' : new Date(record.lastUsedAt).toISOString(),
  ]);
  const lines = [['ID', 'OWNER', 'ROLES', 'PLAN', 'STATE', 'LAST USED'], ...rows];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0))) ?? [];
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function stateOf({ isDisabled, expiresAt = Number.POSITIVE_INFINITY }: ApiKeyRecord): string {
  if (isDisabled) return 'disabled';
  if (expiresAt <= Date.now()) return 'expired';
  return Number.isFinite(expiresAt) ? `until ${new Date(expiresAt).toISOString()}` : 'good';
}

/** Standard output is for what was asked. */
const STANDARD_ERROR: Log = {
  debug() {},
  info() {},
  warn(fields, message) {
    // Why Redis cannot be used is said by the error that ends the command.
    if (!('redis' in fields)) console.error(message);
  },
  error: (_, message) => console.error(message),
};

const NO_METRICS: Metrics = { counter: () => ({ add() {} }), gauge: () => () => {} };
