import { z } from 'zod';
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

const list = () => z.array(text()).max(1000);

function keySettings() {
  return {
    roles: list().optional(),
    permissions: list().optional(),
    plan: text().nullish(),
    /** Ids of routes. */
    routes: list().min(1).nullish(),
    ips: z.array(addressRange()).min(1).max(1000).nullish(),
    metadata: z.record(z.string(), z.json()).optional(),
    expiresAt: z.iso.datetime({ offset: true }).nullish(),
  };
}

/** What the admin API and the command line take for a new key. Times are ISO 8601, `null` is as good as left out. */
export function newKeySchema() {
  return z.strictObject({ owner: ownerName(), ...keySettings() }).transform(withTimes);
}

/** What they take to change one. `null` takes a restriction away. */
export function keyChangeSchema() {
  return z
    .strictObject({ owner: ownerName().optional(), ...keySettings(), disabled: z.boolean().optional() })
    .transform(({ disabled, ...change }) => ({
      ...withTimes(change),
      ...(disabled === undefined ? {} : { isDisabled: disabled }),
    }));
}

/** An owner is forwarded in a header, and so has to fit into one. */
function ownerName() {
  return text()
    .max(200)
    .regex(/^[^\p{C}]+$/u, { error: 'holds a control character — leave it out' });
}

/** Turns the time into milliseconds, and `null` into what takes a restriction away. */
function withTimes<
  Settings extends Readonly<Record<string, unknown>> & { expiresAt?: string | null | undefined },
>(settings: Settings) {
  const entries = Object.entries(settings).map(([name, value]) => [
    name,
    name === 'expiresAt' && typeof value === 'string' ? Date.parse(value) : (value ?? undefined),
  ]);
  return Object.fromEntries(entries) as Omit<
    { [Name in keyof Settings]: Exclude<Settings[Name], null> },
    'expiresAt'
  > & { expiresAt?: number | undefined };
}
