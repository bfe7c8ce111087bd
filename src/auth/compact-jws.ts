import {
  SIGNATURE_ALGORITHMS,
  type SignatureAlgorithm,
} from '../config/key-material/signature-algorithms.ts';
import { parseStrictObject } from './strict-json.ts';

/** A signed token taken apart, its signature not looked at yet: nothing in it may be believed. */
export interface CompactJws {
  readonly algorithm: SignatureAlgorithm;
  /** Which key of a set it is signed with; never more than something to look up. */
  readonly keyId: string | undefined;
  readonly typ: unknown;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Longest token that is looked at where nothing else is said. */
export const MAX_TOKEN_CHARS = 16 * 1024;
const MAX_KEY_ID_CHARS = 256;

const ALGORITHMS: ReadonlySet<unknown> = new Set(SIGNATURE_ALGORITHMS);
const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** What only the header of an encrypted token has. */
const OF_ENCRYPTION = ['enc', 'zip', 'p2c', 'p2s', 'epk'] as const;

/**
 * Takes a token apart, or says in a word why it is none that could be taken.
 *
 * Keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) are never read. What `crit` names must be
 * understood (RFC 7515 §4.1.11), and none of it is; `b64` would change what is signed (RFC 7797 §7).
 */
export function parseCompactJws(token: string, maxChars = MAX_TOKEN_CHARS): CompactJws | string {
  if (token.length > maxChars) return 'too-long';
  const parts = token.split('.');
  if (parts.length === 5) return 'encrypted';
  if (parts.length !== 3) return 'malformed';
  const [headerBytes, claimBytes, signature] = parts.map(decodeCanonical);
  if (headerBytes === undefined || claimBytes === undefined || signature === undefined) return 'malformed';
  const header = parseStrictObject(headerBytes);
  if (header === undefined) return 'malformed';
  const fault = findHeaderFault(header);
  if (fault !== undefined) return fault;
  const claims = parseStrictObject(claimBytes);
  if (claims === undefined) return 'malformed';
  return {
    algorithm: header.alg as SignatureAlgorithm,
    keyId: header.kid as string | undefined,
    typ: header.typ,
    claims,
  };
}

function findHeaderFault(header: Readonly<Record<string, unknown>>): string | undefined {
  if (OF_ENCRYPTION.some((name) => Object.hasOwn(header, name))) return 'encrypted';
  if (!ALGORITHMS.has(header.alg)) return 'algorithm';
  if (Object.hasOwn(header, 'crit')) return 'critical';
  if (Object.hasOwn(header, 'b64')) return 'unencoded';
  const { kid } = header;
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KEY_ID_CHARS)) return 'key-id';
  return undefined;
}

/** One token has one spelling: no padding, no letters of other alphabets, no bits behind the end. */
function decodeCanonical(part: string): Buffer | undefined {
  if (!BASE64URL.test(part)) return undefined;
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}
