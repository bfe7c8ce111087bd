import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { text } from '../../config/schema/scalars.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { Identification, Identifier } from '../../core/identity/identifier.ts';
import { defineIdentifyingPolicy } from '../../core/identity/identify.ts';
import type { Identity } from '../../core/identity/identity.ts';
import { sealIdentity } from '../../core/identity/seal-identity.ts';
import type { Services } from '../../core/services.ts';
import type { Hold } from '../../core/shared-resources.ts';
import { compileOrigins } from '../cors/origin-pattern.ts';
import { onward } from '../credentials/onward.ts';
import { pageOrigins } from '../credentials/page-origins.ts';
import { realm } from '../credentials/realm.ts';
import { BoundedWork } from './bounded-work.ts';
import { findHashFault, impossibleHash, isPassword, type PasswordHash, parseHash } from './password-hash.ts';

/** Asks for a name and a password (RFC 7617). */
export const basic = defineIdentifyingPolicy({
  name: 'basic',
  summary: 'Asks for a name and a password in `Authorization: Basic`.',
  options: z.strictObject({
    users: z
      .record(userName(), user())
      .refine((users) => Object.keys(users).length > 0, { error: 'is empty — name a user' })
      .describe('Who may come in, by name.'),
    origins: pageOrigins('a password that the browser keeps'),
    forward: onward(),
    realm: realm(),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Lets requests without `Authorization: Basic` pass as those of an anonymous caller. A bad one is rejected.',
      ),
  }),
  createIdentifier: (options, services) => new BasicIdentifier(options, services),
});

type User = z.output<ReturnType<typeof user>>;

function user() {
  return z.strictObject({
    password: text()
      .check(({ value, issues }) => {
        const message = findHashFault(value);
        if (message !== undefined) issues.push({ code: 'custom', message, input: value });
      })
      .describe('Hash of the password, as `sallyport hash-password` prints it.'),
    roles: z.array(text()).prefault([]).describe('Roles that the user has.'),
    permissions: z.array(text()).prefault([]).describe('Permissions that the user has.'),
    plan: text().optional().describe('Plan that the user is on, for limits.'),
  });
}

function userName() {
  return z.string().regex(/^[^:\x00-\x1f\x7f]+$/, {
    error: 'is not a user name — use no colon and no control characters',
  });
}

interface BasicOptions {
  readonly users: Readonly<Record<string, User>>;
  readonly origins: readonly string[];
  readonly realm: string;
  readonly optional: boolean;
}

interface Account {
  readonly hash: PasswordHash;
  readonly identity: Identity | undefined;
}

/** A check takes a tenth of a second and 32 MiB, and shares its threads with DNS and files, so few run at a time. */
const CHECKS_RUNNING = 2;
const CHECKS_WAITING = 32;
/** Credentials that were good stay good as long as the configuration does. */
const MAX_VERIFIED = 1000;
const CREDENTIALS = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i;
const SCHEME = /^basic(?: |$)/i;

class BasicIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  readonly admitsOrigin: (origin: string) => boolean;
  private readonly accounts: ReadonlyMap<string, Account>;
  private readonly unknownUser: Account;
  private readonly verified = new Map<string, Identity>();
  private readonly pending = new Map<string, Promise<Identity | undefined>>();
  private readonly checks: Hold<BoundedWork>;
  /** Names what was verified, so that no password stays in memory. */
  private readonly cacheKey = randomBytes(32);
  private readonly malformed: GatewayError;
  private readonly wrong: GatewayError;

  constructor({ users, origins, realm, optional }: BasicOptions, services: Services) {
    this.admitsOrigin = compileOrigins(origins);
    this.challenge = `Basic realm="${realm}", charset="UTF-8"`;
    this.isOptional = optional;
    this.accounts = new Map(Object.entries(users).map(([name, entry]) => [name, accountOf(name, entry)]));
    this.unknownUser = unknownUserLike([...this.accounts.values()]);
    this.checks = services.keep('password checks', () => new BoundedWork(CHECKS_RUNNING, CHECKS_WAITING));
    const headers = { 'www-authenticate': this.challenge };
    this.malformed = new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason: 'malformed' });
    // One response for an unknown name and a wrong password.
    this.wrong = new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason: 'password' });
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    const { headers } = exchange;
    const fields = headers.getAll('authorization');
    if (!fields.some((field) => SCHEME.test(field))) return undefined;
    headers.delete('authorization');
    const credentials = fields.length === 1 ? readCredentials(fields[0] as string) : undefined;
    if (credentials === undefined) return this.malformed;
    const key = createHmac('sha256', this.cacheKey).update(credentials).digest('base64');
    const verified = this.verified.get(key);
    if (verified !== undefined) return verified;
    const check = this.pending.get(key) ?? this.check(key, credentials);
    if (check === undefined) return BUSY;
    return check.then((identity) => identity ?? this.wrong);
  }

  /** A page that `cors` names may send the field itself, which a browser asks us about before. */
  isAmbient({ headers, pageAccess }: Exchange): boolean {
    return pageAccess === 'none' && SCHEME.test(headers.get('authorization') ?? '');
  }

  dropCredential({ headers }: Exchange): void {
    if (headers.getAll('authorization').some((field) => SCHEME.test(field))) headers.delete('authorization');
  }

  close(): void {
    this.checks.release();
  }

  /** A name that nobody has takes as long as a wrong password. */
  private check(key: string, credentials: string): Promise<Identity | undefined> | undefined {
    const colon = credentials.indexOf(':');
    const account = this.accounts.get(credentials.slice(0, colon)) ?? this.unknownUser;
    const checking = this.checks.value.run(async () => {
      const isRight = await isPassword(credentials.slice(colon + 1), account.hash);
      return isRight ? account.identity : undefined;
    });
    if (checking === undefined) return undefined;
    const settled = checking
      .then((identity) => {
        if (identity !== undefined) this.remember(key, identity);
        return identity;
      })
      .finally(() => this.pending.delete(key));
    this.pending.set(key, settled);
    return settled;
  }

  private remember(key: string, identity: Identity): void {
    if (this.verified.size >= MAX_VERIFIED) this.verified.delete(this.verified.keys().next().value as string);
    this.verified.set(key, identity);
  }
}

const BUSY = new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'busy' });

function accountOf(name: string, { password, roles, permissions, plan }: User): Account {
  const identity = sealIdentity({ subject: name, roles, permissions, plan }, 'basic');
  return { hash: parseHash(password), identity };
}

function unknownUserLike(accounts: readonly Account[]): Account {
  const cost = ({ hash }: Account): number => 2 ** hash.logN * hash.blockSize * hash.parallelism;
  const dearest = accounts.reduce((most, account) => (cost(account) > cost(most) ? account : most));
  return { hash: impossibleHash(dearest.hash), identity: undefined };
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads `name:password` out of a field, or nothing where it holds none. */
function readCredentials(field: string): string | undefined {
  const encoded = CREDENTIALS.exec(field)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  // What is decoded leniently would be one password in several spellings.
  if (bytes.toString('base64').replace(/=+$/, '') !== encoded.replace(/=+$/, '')) return undefined;
  try {
    const credentials = UTF8.decode(bytes);
    return credentials.includes(':') && !/[\x00-\x1f\x7f]/.test(credentials) ? credentials : undefined;
  } catch {
    return undefined;
  }
}
