import { hash } from 'node:crypto';
import { plainAddress } from '../core/address-blocks.ts';
import { addressKey, compileKeyFinder, type RequestKey } from '../core/request-key.ts';

/** Keys that are longer are kept as a digest, so that a client cannot make counters large. */
const LONGEST = 64;
/** What is sent in such fields must not be read off the counters. */
const SECRET = /auth|token|key|secret|session|cookie|passw|signature|credential/i;

/**
 * Compiles what a limit is counted by: one key, or several together. What a request lacks falls back to the client's
 * address, told apart from whatever a client may call itself.
 */
export function compileLimitKey(keys: readonly string[]): RequestKey {
  const [first = 'ip'] = keys;
  if (keys.length === 1 && first === 'ip') return addressKey;
  const parts = keys.map(compilePart);
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return (exchange) => bounded(only(exchange));
  return (exchange) => {
    let text = '';
    for (let i = 0; i < parts.length; i++) {
      const part = (parts[i] as RequestKey)(exchange);
      // With its length in front, since a part may hold whatever would part them.
      text += `${part.length}${part}`;
    }
    return bounded(text);
  };
}

/**
 * Gives what a limit is counted by for a client whose values are known, `undefined` where they are not as many as there are
 * keys. An address is taken however it is spelt; of IPv6 it means its network, which may also be written as the keys have it.
 */
export function limitKeyFor(keys: readonly string[], values: readonly string[]): string | undefined {
  if (values.length !== keys.length) return undefined;
  const [first = 'ip'] = keys;
  const [only = ''] = values;
  if (keys.length === 1 && first === 'ip') return addressKeyOf(only);
  const parts = keys.map((key, i) => {
    const value = values[i] as string;
    return key === 'ip' ? `@${addressKeyOf(value)}` : foundPart(key, value);
  });
  return bounded(
    keys.length === 1 ? (parts[0] as string) : parts.map((part) => `${part.length}${part}`).join(''),
  );
}

function addressKeyOf(address: string): string {
  return addressKey({ clientAddress: plainAddress(address) });
}

function compilePart(key: string): RequestKey {
  if (key === 'ip') return (exchange) => `@${addressKey(exchange)}`;
  const find = compileKeyFinder(key);
  if (isSecret(key)) {
    return (exchange) => {
      const value = find(exchange);
      return value === undefined ? `@${addressKey(exchange)}` : foundPart(key, value);
    };
  }
  return (exchange) => {
    const value = find(exchange);
    return value === undefined ? `@${addressKey(exchange)}` : `=${value}`;
  };
}

function foundPart(key: string, value: string): string {
  return isSecret(key) ? `#${digest(value)}` : `=${value}`;
}

function isSecret(key: string): boolean {
  return /^(?:header|cookie):/.test(key) && (key.startsWith('cookie:') || SECRET.test(key));
}

function bounded(text: string): string {
  return text.length <= LONGEST ? text : `#${digest(text)}`;
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url');
}
