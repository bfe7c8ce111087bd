import { z } from 'zod';
import type { ApiKeyChange, NewApiKey } from '../../core/identity/api-keys.ts';
import { addressRange, text } from './scalars.ts';

export type ApiKeysConfig = z.output<ReturnType<typeof apiKeysSchema>>;

const MIN_PEPPER = 32;

/** Makes the schema of `apiKeys`. */
export function apiKeysSchema() {
  return z.strictObject({
    store: z
      .enum(['embedded', 'redis'], { error: 'is not a store for keys — write embedded or redis' })
      .prefault('embedded')
      .describe(
        'Where keys are kept: `embedded`, a file in `dataDir` for the processes of one machine; `redis`, for several machines.',
      ),
    environment: z
      .string()
      .regex(/^[a-z0-9]{1,16}$/, {
        error: 'is not a name for an environment — use up to 16 small letters and digits, such as live',
      })
      .prefault('live')
      .describe('Stands in new keys, as in `sp_live_…`, so that people see where a key belongs.'),
    pepper: text()
      .min(MIN_PEPPER, { error: `is too short — use at least ${MIN_PEPPER} random characters` })
      .optional()
      .describe(
        'Secret with which keys are hashed, the same on all machines; left out: made once and kept in `dataDir`. With `redis` it is required. With another one no key is good any more.',
      ),
  });
}

const NONE = { error: 'is empty, which would open nothing — name at least one, or write null for all' };

const list = () => z.array(text()).max(1000);

function keySettings() {
  return {
    roles: list().optional(),
    permissions: list().optional(),
    plan: text().nullish(),
    /** Ids of routes. */
    routes: list().min(1, NONE).nullish(),
    ips: z.array(addressRange()).min(1, NONE).max(1000).nullish(),
    metadata: z.record(z.string(), z.json()).optional(),
    expiresAt: z.iso
      .datetime({ offset: true, error: 'is not a time — write one such as 2027-01-31T00:00:00Z' })
      .nullish(),
  };
}

/** What the admin API and the command line take for a new key. Times are ISO 8601, `null` is as good as left out. */
export function newKeySchema() {
  return z
    .strictObject({ owner: ownerName(), ...keySettings() })
    .transform((settings) => withTimes(settings) as unknown as NewApiKey);
}

/** What they take to change one. `null` takes a restriction away. */
export function keyChangeSchema() {
  const settings = { owner: ownerName().optional(), ...keySettings(), disabled: z.boolean().optional() };
  return z.strictObject(settings).transform(({ disabled, ...change }): ApiKeyChange => {
    const changed: ApiKeyChange = withTimes(change);
    return disabled === undefined ? changed : { ...changed, isDisabled: disabled };
  });
}

/** An owner is forwarded in a header, and so has to fit into one. */
function ownerName() {
  return z
    .string()
    .min(1, { error: 'is empty — write whom the key is for' })
    .max(200)
    .regex(/^[^\p{C}]*$/u, { error: 'holds a control character — leave it out' });
}

/** TaskQueue the time into milliseconds, and `null` into the `undefined` that takes a restriction away. */
function withTimes(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(settings).map(([name, value]) => [
    name,
    name === 'expiresAt' && typeof value === 'string' ? Date.parse(value) : (value ?? undefined),
  ]);
  return Object.fromEntries(entries);
}
