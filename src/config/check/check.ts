import type { Policy } from '../../core/policy.ts';
import { asFields, type Findings } from '../findings.ts';
import type { Finding } from '../issue-problems.ts';
import { type ConfigPath, splitRemedy } from '../problem.ts';
import { checkAdmin } from './check-admin.ts';
import { checkApiKeys } from './check-api-keys.ts';
import { checkAsync } from './check-async.ts';
import { checkAuthServices } from './check-auth-services.ts';
import { checkCacheStore } from './check-cache-store.ts';
import { checkClientCertificates } from './check-client-certificates.ts';
import { checkInternalTokens } from './check-internal-tokens.ts';
import { checkListeners } from './check-listeners.ts';
import { checkPlaceholders } from './check-placeholders.ts';
import { checkPolicies } from './check-policies.ts';
import { checkRoutes } from './check-routes.ts';
import { checkTokenPolicies } from './check-token-policies.ts';
import { checkTrust } from './check-trust.ts';
import { checkUpstreams } from './check-upstreams.ts';
import { checkWeakSecrets } from './check-weak-secrets.ts';

/** Checks what a schema cannot: whether the parts of a configuration fit together. */
export function checkGateway(
  data: unknown,
  policies: readonly Policy[],
  isFromReference: (path: ConfigPath) => boolean,
): { problems: Finding[]; warnings: Finding[] } {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const findings: Findings = {
    reject: (path, text) => problems.push(toFinding(path, text)),
    warn: (path, text) => warnings.push(toFinding(path, text)),
    quote: (path, value) => (isFromReference(path) ? '(from a reference)' : `'${value}'`),
  };
  const gateway = asFields(data);
  checkPlaceholders(data, isFromReference, findings);
  checkWeakSecrets(data, findings);
  checkListeners(gateway, findings);
  checkAdmin(gateway, findings);
  checkTrust(gateway, findings);
  checkUpstreams(gateway, findings);
  checkRoutes(gateway, findings);
  checkPolicies(gateway, policies, findings);
  checkClientCertificates(gateway, findings);
  checkApiKeys(gateway, findings);
  checkCacheStore(gateway, findings);
  checkAsync(gateway, findings);
  checkAuthServices(gateway, findings);
  checkTokenPolicies(gateway, policies, findings);
  checkInternalTokens(gateway, policies, findings);
  return { problems, warnings };
}

function toFinding(path: ConfigPath, text: string): Finding {
  const { message, remedy = '' } = splitRemedy(text);
  return { path, message, remedy };
}
