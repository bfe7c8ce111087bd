import { createHash } from 'node:crypto';
import {
  type AuthServiceParts,
  createAuthService,
  type OpenAuthService,
  readAuthServiceParts,
} from '../auth/create-auth-service.ts';
import type { AuthServiceConfig } from '../config/schema/auth-schema.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { TokenVerifier } from '../core/identity/auth-service.ts';
import type { SnapshotContext } from './snapshot-context.ts';

/**
 * Makes the auth services of a configuration. One that did not change is found again with its keys and the tokens that
 * it knows.
 */
export async function buildAuthServices(
  { authServices }: Pick<GatewayConfig, 'authServices'>,
  { kept, services, log }: Pick<SnapshotContext, 'kept' | 'services' | 'log'>,
  closers: (() => void | Promise<void>)[],
): Promise<Map<string, TokenVerifier>> {
  const built = new Map<string, TokenVerifier>();
  for (const [name, config] of Object.entries(authServices)) {
    const parts = await readAuthServiceParts(config);
    const hold = kept.hold<OpenAuthService>(
      keyOf(name, config, parts),
      () => createAuthService(name, config, parts, { ...services, log: log.of('auth') }),
      (service) => service.close(),
    );
    closers.push(hold.release);
    built.set(name, hold.value);
  }
  return built;
}

/** Makes the way in which policies find them. */
export function findAuthServiceIn(
  built: ReadonlyMap<string, TokenVerifier>,
): (name: string) => TokenVerifier {
  return (name) => {
    const service = built.get(name);
    if (service === undefined) throw new TypeError(`there is no auth service '${name}'`);
    return service;
  };
}

/** A digest, since a configuration holds secrets. Code is imported once, so its file says all. */
function keyOf(name: string, config: AuthServiceConfig, { keyText }: AuthServiceParts): string {
  const content = JSON.stringify([name, config, keyText]);
  return `auth-service ${createHash('sha256').update(content).digest('base64')}`;
}
