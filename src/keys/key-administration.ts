import type { Clock } from '../core/clock.ts';
import type {
  ApiKeyAdministration,
  ApiKeyChange,
  ApiKeyRecord,
  IssuedApiKey,
  NewApiKey,
} from '../core/identity/api-keys.ts';
import { makeKey, newKeyId } from './key-format.ts';
import type { KeyHasher } from './key-hash.ts';
import type { FoundKey, KeyStore, StoredKey } from './key-store.ts';
import { recordOf } from './record-of.ts';

export interface AdministrationOptions {
  readonly store: KeyStore;
  readonly hasher: KeyHasher;
  readonly clock: Pick<Clock, 'now'>;
  /** The word behind `sp_`, which tells people and scanners where a key belongs. */
  readonly environment: string;
}

/** How often a change is tried again when somebody else was quicker. */
const MAX_ATTEMPTS = 20;

/** Makes what creates, changes and deletes keys in a store. */
export function createAdministration(options: AdministrationOptions): ApiKeyAdministration {
  const { store, hasher, clock, environment } = options;
  const hashOf = (key: string): string => hasher.hash(key).toString('base64url');
  const show = (found: FoundKey): ApiKeyRecord => recordOf(found, clock.now());

  /** Changes a key as it is then, also where several change it at a time. */
  const update = async (
    id: string,
    change: (key: FoundKey) => StoredKey,
  ): Promise<ApiKeyRecord | undefined> => {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const found = await store.find(id);
      if (found === undefined) return undefined;
      const changed = change(found);
      if (await store.replace(changed, found.revision)) return show({ ...found, ...changed });
    }
    throw new Error(`API key ${id} is being changed by others all the time: try again`);
  };

  return {
    async create(input) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const id = newKeyId();
        const key = makeKey(environment, id);
        const stored = { record: newRecord(id, input, clock.now()), secrets: [{ hash: hashOf(key) }] };
        if (await store.insert(stored)) {
          return { key, record: show({ ...stored, revision: 0, lastUsedAt: undefined }) };
        }
      }
      throw new Error('no free id was found for the API key');
    },
    async list() {
      const found = await store.list();
      return found.map(show).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    },
    async find(id) {
      const found = await store.find(id);
      return found && show(found);
    },
    change: (id, change) =>
      update(id, ({ record, secrets }) => ({ record: changedRecord(record, change), secrets })),
    async rotate(id, graceMs): Promise<IssuedApiKey | undefined> {
      const key = makeKey(environment, id);
      const record = await update(id, ({ record, secrets: [current] }) => {
        const endsAt = clock.now() + graceMs;
        const former = current === undefined || graceMs <= 0 ? [] : [{ ...current, endsAt }];
        return { record, secrets: [{ hash: hashOf(key) }, ...former] };
      });
      return record && { key, record };
    },
    delete: async (id) => store.delete(id),
  };
}

type StoredRecord = StoredKey['record'];

function newRecord(id: string, input: NewApiKey, now: number): StoredRecord {
  const { owner, roles = [], permissions = [], plan, routes, ips, metadata = {}, expiresAt } = input;
  return {
    id,
    owner,
    roles,
    permissions,
    plan,
    routes,
    ips,
    metadata,
    createdAt: now,
    expiresAt,
    isDisabled: false,
  };
}

function changedRecord(record: StoredRecord, change: ApiKeyChange): StoredRecord {
  const { id, createdAt } = record;
  return { ...record, ...change, id, createdAt };
}
