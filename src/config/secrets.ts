import { isSecretKey } from './key-material/secret-key.ts';
import type { Problem } from './problem.ts';
import type { GatewayConfig } from './schema/schema.ts';

const HIDDEN = '[redacted]';
// Shorter values occur in ordinary words by chance, so they hide a text only when they are all of it.
const SHORTEST_PART = 4;

/** Copies a configuration for people to read: without tokens, and without anything that came out of a reference. */
export function redactConfig(config: GatewayConfig, secrets: Iterable<string>): unknown {
  const hidden = new Set([...secrets].map((secret) => secret.toLowerCase()));
  const redact = (value: unknown, key: string): unknown => {
    if (isSecretKey(key) && value !== undefined) return HIDDEN;
    if (typeof value === 'object' && value !== null) {
      if (Array.isArray(value)) return value.map((item) => redact(item, ''));
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, redact(item, name)]));
    }
    return isHidden(String(value).toLowerCase(), hidden) ? HIDDEN : value;
  };
  return redact(config, '');
}

/** Takes out of a problem's words what came out of a reference, should a policy's own schema have quoted it. */
export function hideSecrets(problem: Problem, secrets: ReadonlySet<string>): Problem {
  const words = `${problem.message} ${problem.remedy}`;
  // Outside of policies all words are our own and quote nothing; there a short value is only an ordinary word.
  const shortest = problem.path.includes('policies[') ? 1 : 2 * SHORTEST_PART;
  for (const secret of secrets) {
    if (secret.length < shortest || !containsSecret(words, secret)) continue;
    const remedy = 'see its reference; the value came out of a reference and is not shown';
    return { ...problem, message: 'is not valid', remedy };
  }
  return problem;
}

function isHidden(text: string, hidden: ReadonlySet<string>): boolean {
  if (hidden.has(text)) return true;
  for (const secret of hidden) if (secret.length >= SHORTEST_PART && text.includes(secret)) return true;
  return false;
}

function containsSecret(words: string, secret: string): boolean {
  if (secret.length >= SHORTEST_PART) return words.includes(secret);
  return words.split(/[\s'"`,;:()[\]]+/).includes(secret);
}
