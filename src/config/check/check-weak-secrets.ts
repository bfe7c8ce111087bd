import { isBase64 } from '../../core/identity/secret-bytes.ts';
import type { Findings } from '../findings.ts';
import { isSecretKey } from '../key-material/secret-key.ts';
import type { ConfigPath } from '../problem.ts';

/** What documentation and templates write where a secret is to be, letters and digits alone. */
const PLACEHOLDERS =
  /^(?:change(?:me|this|it)|replace(?:me|this|withyour)|insert(?:your|the)|put(?:your|the)|enter(?:your|the)|your[a-z0-9]{0,12}(?:secret|token|password|key|pepper)|placeholder|(?:my|super|top|very|some|not(?:so)?|dummy|example|sample|default|dev|development|insecure)+(?:secret|token|password|key|pepper)|secret|password|passw0rd|letmein|admin|token|hunter2|todo|fixme|xxx|example)/;

/** What a few different characters make cannot be random. */
const FEWEST_CHARACTERS = 5;

/** Looks for secrets that everybody can guess: what stood in an example, or a few characters again and again. */
export function checkWeakSecrets(data: unknown, findings: Findings): void {
  const walk = (value: unknown, path: ConfigPath): void => {
    if (typeof value === 'string') {
      if (isSecretKey(String(path.at(-1))) && isGuessable(value, String(path.at(-1))))
        findings.warn(
          path,
          'can be guessed — write 32 random bytes, such as `openssl rand -base64 32` makes',
        );
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value))
        walk(item, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  };
  walk(data, []);
}

function isGuessable(secret: string, key: string): boolean {
  const decoded =
    key.startsWith('base64') && isBase64(secret) ? Buffer.from(secret, 'base64').toString() : '';
  return [secret, decoded].some((text) => {
    const letters = text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    return letters !== '' && (PLACEHOLDERS.test(letters) || new Set(text).size < FEWEST_CHARACTERS);
  });
}
