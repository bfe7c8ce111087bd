import type { ApiKeyAdministration, ApiKeys, ApiKeyVerifier } from '../core/identity/api-keys.ts';
import type { Services } from '../core/services.ts';
import { createAdministration } from './key-administration.ts';
import { KeyHasher } from './key-hash.ts';
import { type KeyStore, KeyStoreRejection } from './key-store.ts';
import { KeyVerifier } from './key-verifier.ts';

export interface GatewayKeysOptions {
  readonly environment: string;
  /** Finds the pepper. Rejects where it cannot be had. */
  readonly findPepper: () => Promise<string>;
  /** Opens the store of keys that are hashed with the pepper of this fingerprint. */
  readonly openStore: (fingerprint: string) => Promise<KeyStore>;
  readonly services: Pick<Services, 'log' | 'clock' | 'metrics'>;
}

interface OpenKeys {
  readonly store: KeyStore;
  readonly hasher: KeyHasher;
}

/** The API keys of one process. Nothing is opened before somebody asks for it, and then once. */
export class GatewayKeys implements ApiKeys {
  private readonly options: GatewayKeysOptions;
  private opening: Promise<OpenKeys> | undefined = undefined;
  private verifying: Promise<KeyVerifier> | undefined = undefined;
  /** The same, once it is there. */
  private verifier: KeyVerifier | undefined = undefined;
  private stopMeasuring: () => void = () => {};

  constructor(options: GatewayKeysOptions) {
    this.options = options;
  }

  open(): Promise<ApiKeyVerifier> {
    this.verifying ??= this.startVerifier().catch((error: unknown) => {
      this.verifying = undefined;
      throw error;
    });
    return this.verifying;
  }

  /** Opens the store to administer it. What is changed through it holds in this process at once. */
  async administer(): Promise<ApiKeyAdministration> {
    const { environment, services } = this.options;
    const administration = createAdministration({
      ...(await this.openOnce()),
      clock: services.clock,
      environment,
    });
    const told = async <T>(change: Promise<T>): Promise<T> => {
      const result = await change;
      await this.verifier?.catchUp();
      return result;
    };
    return {
      ...administration,
      change: (id, change) => told(administration.change(id, change)),
      rotate: (id, graceMs) => told(administration.rotate(id, graceMs)),
      delete: (id) => told(administration.delete(id)),
    };
  }

  /** Takes up what other processes have changed, at once instead of at the next look. */
  async refresh(): Promise<void> {
    await this.verifier?.poll();
  }

  /** Says what is amiss, a sentence each. */
  problems(): readonly string[] {
    return this.verifier?.isStoreAway === true ? ['the store of the API keys does not respond'] : [];
  }

  async close(): Promise<void> {
    await this.verifying?.catch(() => {});
    this.stopMeasuring();
    await this.verifier?.close();
    const opened = await this.opening?.catch(() => undefined);
    this.opening = undefined;
    await opened?.store.close();
  }

  private async startVerifier(): Promise<KeyVerifier> {
    const { log, clock, metrics } = this.options.services;
    const verifier = new KeyVerifier({ ...(await this.openOnce()), clock, log });
    this.verifier = verifier;
    const help = 'Whether the store of the API keys answers.';
    this.stopMeasuring = metrics.gauge('gateway_api_key_store_up', help, {}, () =>
      verifier.isStoreAway ? 0 : 1,
    );
    await verifier.poll();
    return verifier;
  }

  /** What could not be opened may be tried again, as by the next reload. */
  private openOnce(): Promise<OpenKeys> {
    this.opening ??= this.openNow().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    return this.opening;
  }

  private async openNow(): Promise<OpenKeys> {
    const hasher = new KeyHasher(await this.options.findPepper());
    const store = await this.options.openStore(hasher.fingerprint);
    await rejectForeign(store);
    return { hasher, store };
  }
}

/** A store over the network may be away now and be back later, but one with keys of another pepper stays useless. */
async function rejectForeign(store: KeyStore): Promise<void> {
  try {
    await store.changesSince(undefined);
  } catch (error) {
    if (!(error instanceof KeyStoreRejection)) return;
    await store.close();
    throw error;
  }
}
