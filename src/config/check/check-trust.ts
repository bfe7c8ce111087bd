import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';

/** The widest ranges that are anybody's own: `10.0.0.0/8`, and `fc00::/7` for local networks. */
const WIDEST = { ipv4: 8, ipv6: 7 } as const;

/** Points out proxies in front that would be everybody: whoever is in the list can claim any address. */
export function checkTrust({ trustedProxies }: Fields, findings: Findings): void {
  const isShort = Array.isArray(trustedProxies);
  const path: ConfigPath = isShort ? ['trustedProxies'] : ['trustedProxies', 'addresses'];
  const addresses = isShort ? trustedProxies : asList(asFields(trustedProxies).addresses);
  for (const [i, address] of addresses.entries()) {
    const [, network = '', prefix] = /^([0-9A-Fa-f:.]+)\/(\d{1,3})$/.exec(String(address)) ?? [];
    if (prefix === undefined) continue;
    if (Number(prefix) < WIDEST[network.includes(':') ? 'ipv6' : 'ipv4'])
      findings.warn(
        [...path, i],
        'trusts clients as well, who then say for themselves which address they have — write the addresses that the proxies connect from',
      );
  }
}
