import { z } from 'zod';
import { findOriginFault } from '../cors/origin-pattern.ts';

/** Takes the origins whose pages may use a credential that browsers add by themselves; for `compileOrigins`. */
export function pageOrigins(credential: string) {
  return z
    .array(
      z.string().check(({ value, issues }) => {
        const message = findOriginFault(value);
        if (message !== undefined) issues.push({ code: 'custom', message, input: value });
      }),
    )
    .prefault([])
    .describe(
      `Origins whose pages may send unsafe methods and upgrades with ${credential}, such as \`https://app.example.com\`, beside the API's own and those that \`cors\` lets in with credentials; \`*\` for every page there is.`,
    );
}
