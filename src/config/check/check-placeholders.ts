import { isPlaceholder } from '../document/reference-value.ts';
import type { Findings } from '../findings.ts';
import { isSecretKey } from '../key-material/secret-key.ts';
import type { ConfigPath } from '../problem.ts';

/**
 * Looks for texts that a shell or a template should have replaced before the gateway reads them (`$NAME`,
 * `{{ .Values.x }}`). As a secret one is rejected: everybody can guess it. Elsewhere it may be meant.
 */
export function checkPlaceholders(
  data: unknown,
  isFromReference: (path: ConfigPath) => boolean,
  findings: Findings,
): void {
  const walk = (value: unknown, path: ConfigPath): void => {
    if (typeof value === 'string') {
      // What came out of a reference has been judged where it came from.
      if (isPlaceholder(value) && !isFromReference(path)) report(value, path);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value))
        walk(item, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  };
  const report = (value: string, path: ConfigPath): void => {
    const remedy = `write a reference, such as \${${/[A-Za-z_]\w*/.exec(value)?.[0] ?? 'NAME'}}`;
    if (isSecretKey(String(path.at(-1))))
      findings.reject(path, `is a placeholder that nothing fills in — ${remedy}`);
    else findings.warn(path, `looks like a placeholder that nothing fills in — ${remedy}, if it is one`);
  };
  walk(data, []);
}
