import { asFields, asList, type Fields, type Findings } from '../findings.ts';

/** Checks that keys for several machines can be shared by them, and that it is known where keys are. */
export function checkApiKeys(gateway: Fields, findings: Findings): void {
  const apiKeys = asFields(gateway.apiKeys);
  if (apiKeys.store === 'redis') {
    if (gateway.redis === undefined)
      findings.reject(['apiKeys', 'store'], 'needs a Redis — set redis: { url: … }, or write embedded');
    if (apiKeys.pepper === undefined)
      findings.reject(
        ['apiKeys', 'store'],
        'needs a pepper that all machines share — set apiKeys.pepper, as a reference to a secret',
      );
    return;
  }
  if (gateway.redis === undefined || apiKeys.store !== undefined || !requiresKeys(gateway)) return;
  findings.warn(
    ['redis'],
    'is not where API keys are kept, which only this machine knows — write apiKeys: { store: redis } to share them, or { store: embedded } if that is meant',
  );
}

function requiresKeys(gateway: Fields): boolean {
  const lists = [gateway.policies, ...asList(gateway.routes).map((route) => asFields(route).policies)];
  return lists.flatMap(asList).some(isKeyPolicy);
}

function isKeyPolicy(entry: unknown): boolean {
  if (typeof entry === 'string') return entry === 'api-key';
  const use = asFields(entry);
  return 'api-key' in use || asList(use.any).some(isKeyPolicy);
}
