import { isIPv6 } from 'node:net';
import type { Exchange } from './exchange.ts';
import { findFirstCookie } from './fields/cookies.ts';
import { exactText, findClaim } from './identity/identity.ts';

/** Says what a request is counted, hashed or kept under. */
export type RequestKey = (exchange: Exchange) => string;

/** Keys for editors to offer. */
export const REQUEST_KEY_EXAMPLES: string[] = [
  'ip',
  'subject',
  'api-key',
  'route',
  'header:x-tenant',
  'claim:org',
];

/** What the text of a key may be. */
export const REQUEST_KEY =
  /^(?:ip|subject|api-key|route|(?:header|cookie|param|claim):[!#$%&'*+\-.^_`|~0-9A-Za-z]+)$/;

/** Compiles a key such as `ip`, `subject` or `header:x-tenant`. What is absent falls back to the client's address. */
export function compileRequestKey(text: string): RequestKey {
  const find = compileKeyFinder(text);
  return (exchange) => find(exchange) ?? addressKey(exchange);
}

/** Compiles a key into what finds it, if the request has it. */
export function compileKeyFinder(text: string): (exchange: Exchange) => string | undefined {
  const colon = text.indexOf(':');
  const name = text.slice(colon + 1);
  switch (colon < 0 ? text : text.slice(0, colon)) {
    case 'subject':
      return (exchange) => exchange.identity?.subject;
    case 'api-key':
      return (exchange) => exchange.identity?.keyId;
    case 'claim':
      return (exchange) => claimKey(exchange, name);
    case 'route':
      return ({ route }) => route.id;
    case 'header':
      return (exchange) => exchange.headers.get(name);
    case 'cookie':
      return ({ headers }) => findFirstCookie(headers.get('cookie') ?? '', name);
    case 'param':
      return (exchange) => exchange.params[name];
    default:
      return addressKey;
  }
}

function claimKey({ identity }: Exchange, name: string): string | undefined {
  const value = identity === undefined ? undefined : findClaim(identity.claims, name);
  return exactText(value);
}

/** Gives the client's address. One client holds a whole /64 of IPv6 addresses, so that is what counts. */
export function addressKey({ clientAddress }: Pick<Exchange, 'clientAddress'>): string {
  return clientAddress.includes(':') ? networkOf(clientAddress) : clientAddress;
}

function networkOf(address: string): string {
  const plain = address.split('%')[0] as string;
  if (!isIPv6(plain)) return address;
  const [head = '', tail] = plain.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...new Array<string>(zeros).fill('0'), ...last].slice(0, 4);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
