import { createHash } from 'node:crypto';
import { asFields, asList } from './findings.ts';

/** Tells one content of a configuration and of the files that it names from another. */
export class Fingerprint {
  private readonly files = new Map<string, string>();

  /** Notes what is read with `readFile`. */
  noting(readFile: (path: string) => Promise<string>): (path: string) => Promise<string> {
    return async (path) => {
      const text = await readFile(path);
      this.files.set(path, createHash('sha256').update(text).digest('base64'));
      return text;
    };
  }

  /**
   * Gives the same text for the same data and the same files. `undefined` where the data names code: what that reads is
   * not known here.
   */
  of(data: unknown): string | undefined {
    if (namesCode(data)) return undefined;
    const files = [...this.files].sort(([a], [b]) => (a < b ? -1 : 1));
    return createHash('sha256')
      .update(JSON.stringify([data, files]))
      .digest('base64');
  }
}

function namesCode(data: unknown): boolean {
  const { customPolicies, upstreams, authServices, routes } = asFields(data);
  const hasSome = (owners: unknown, key: string): boolean =>
    Object.values(asFields(owners)).some((owner) => asFields(owner)[key] !== undefined);
  return (
    Object.keys(asFields(customPolicies)).length > 0 ||
    hasSome(upstreams, 'app') ||
    hasSome(authServices, 'code') ||
    asList(routes).some((route) => asFields(asFields(route).aggregate).compose !== undefined)
  );
}
