import { generateKeyPair, type KeyObject } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { findOrMakeSecret, findSecret, type SecretFile } from '../config/key-material/secret-file.ts';
import {
  type ReadKey,
  readFormerKey,
  readSigningKey,
  type SigningAlgorithm,
} from '../config/key-material/signing-key.ts';
import type { InternalTokensConfig } from '../config/schema/internal-tokens-schema.ts';
import { readTextFile } from '../core/disk/read-text-file.ts';
import type { Services } from '../core/services.ts';

/** A key that signs, and what the world may know of it. */
export interface SigningKey {
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly key: KeyObject;
  readonly published: JWK;
}

/** The keys that internal tokens are signed with. */
export interface InternalKeys {
  /** The key that signs now. */
  current(): SigningKey;
  /** The public halves of that key, and of those before and after it. */
  published(): readonly JWK[];
  close(): void;
}

type KeyServices = Pick<Services, 'clock' | 'log'>;

/** Reads the keys of a configuration, or makes them. Rejects where they cannot be had. */
export async function openInternalKeys(
  config: InternalTokensConfig,
  dataDir: string,
  services: KeyServices,
): Promise<InternalKeys> {
  if (config.keyFile !== undefined) return readConfiguredKeys(config.keyFile, config.formerKeyFiles);
  const keys = new StoredKeys(config, dataDir, services);
  await keys.open();
  return keys;
}

async function readConfiguredKeys(keyFile: string, formerKeyFiles: readonly string[]): Promise<InternalKeys> {
  const key = await toSigningKey(await readKey(keyFile, readSigningKey));
  const former: JWK[] = [];
  for (const file of formerKeyFiles)
    former.push((await toSigningKey(await readKey(file, readFormerKey))).published);
  const published = [key.published, ...former.filter(({ kid }) => kid !== key.id)];
  return { current: () => key, published: () => published, close() {} };
}

async function readKey(file: string, read: (pem: string) => ReadKey | string): Promise<ReadKey> {
  const key = read(await readTextFile(file));
  if (typeof key === 'string') throw new TypeError(`${file} ${key}`);
  return key;
}

const MAX_BETWEEN_LOOKS_MS = 3_600_000;
const KEY_FILE = /^internal-token-key-([a-z0-9]+)-(\d+)\.pem$/;
const makeKeyPair = promisify(generateKeyPair);

/**
 * Keys of our own making, one for each period of `rotateEvery`, a file each. All processes that share `dataDir` agree
 * about them, since the period follows from the time. The next key is there, and published, a period before it signs.
 */
class StoredKeys implements InternalKeys {
  private readonly config: Pick<InternalTokensConfig, 'algorithm' | 'rotateEvery'>;
  private readonly dataDir: string;
  private readonly services: KeyServices;
  private readonly byPeriod = new Map<number, SigningKey>();
  private stopLooking: () => void = () => {};

  constructor(config: InternalTokensConfig, dataDir: string, services: KeyServices) {
    this.config = config;
    this.dataDir = dataDir;
    this.services = services;
  }

  async open(): Promise<void> {
    const { clock, log } = this.services;
    await this.look();
    const everyMs = Math.min(MAX_BETWEEN_LOOKS_MS, this.config.rotateEvery / 4);
    this.stopLooking = clock.every(everyMs, () => {
      this.look().catch((err: unknown) =>
        log.warn({ err }, 'the next key for internal tokens cannot be made'),
      );
    });
  }

  current(): SigningKey {
    const period = this.period();
    const usual = this.byPeriod.get(period);
    if (usual !== undefined) return usual;
    // What could not be made before the timeout is late, and the key before it goes on.
    const known = [...this.byPeriod].sort(([a], [b]) => b - a);
    const [, latest] = known.find(([other]) => other <= period) ?? (known.at(-1) as [number, SigningKey]);
    return latest;
  }

  published(): readonly JWK[] {
    return [...this.byPeriod.values()].map(({ published }) => published);
  }

  close(): void {
    this.stopLooking();
  }

  private period(): number {
    return Math.floor(this.services.clock.now() / this.config.rotateEvery);
  }

  private async look(): Promise<void> {
    const period = this.period();
    const { log } = this.services;
    for (const each of [period - 1, period, period + 1]) {
      if (this.byPeriod.has(each)) continue;
      const secret = this.secretOf(each);
      const pem = each < period ? await findSecret(secret, log) : await findOrMakeSecret(secret, log);
      if (pem === undefined) continue;
      const key = readSigningKey(pem);
      if (typeof key === 'string') throw new TypeError(`${secret.file} ${key}`);
      this.byPeriod.set(each, await toSigningKey(key));
    }
    for (const each of this.byPeriod.keys()) if (each < period - 1) this.byPeriod.delete(each);
    await this.removeBefore(period - 1);
  }

  /** A key that verifies nothing any more is only a risk. */
  private async removeBefore(period: number): Promise<void> {
    for (const file of await readdir(this.dataDir)) {
      const [, algorithm, text] = KEY_FILE.exec(file) ?? [];
      if (algorithm !== this.config.algorithm.toLowerCase() || Number(text) >= period) continue;
      await rm(path.join(this.dataDir, file), { force: true });
    }
  }

  private secretOf(period: number): SecretFile {
    const { algorithm } = this.config;
    return {
      file: path.join(this.dataDir, `internal-token-key-${algorithm.toLowerCase()}-${period}.pem`),
      what: 'a key for internal tokens',
      make: () => makePem(algorithm),
      remedy: 'make dataDir a folder that this user may write to, or set internalTokens.keyFile',
      remedyForContent: 'delete the file, and another key is made',
      remedyForRights: 'delete it, and another one is made, if it may have been read',
    };
  }
}

async function makePem(algorithm: SigningAlgorithm): Promise<string> {
  const { privateKey } = await makePair(algorithm);
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function makePair(algorithm: SigningAlgorithm): Promise<{ privateKey: KeyObject }> {
  switch (algorithm) {
    case 'ES256':
      return makeKeyPair('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return makeKeyPair('ed25519');
    case 'RS256':
      return makeKeyPair('rsa', { modulusLength: 2048 });
  }
}

/** Names a key by its thumbprint (RFC 7638). */
async function toSigningKey({ key, algorithm }: ReadKey): Promise<SigningKey> {
  const published = await publicJwk(key);
  const id = await calculateJwkThumbprint(published);
  return { id, algorithm, key, published: { ...published, kid: id, alg: algorithm, use: 'sig' } };
}

/** Copies only what is known to be public. */
async function publicJwk(key: KeyObject): Promise<JWK> {
  const { kty, crv, x, y, n, e } = await exportJWK(key);
  if (kty === 'RSA') return { kty, n, e } as JWK;
  return (kty === 'OKP' ? { kty, crv, x } : { kty, crv, x, y }) as JWK;
}
