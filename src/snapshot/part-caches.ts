import type { PartCache } from '../aggregate/part.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Policy } from '../core/policy.ts';
import type { Services } from '../core/services.ts';

/** Makes uses of the policy `cache` for parts of responses, which `closers` end. */
export function partCaches(
  policy: Policy | undefined,
  services: Services,
  closers: (() => void | Promise<void>)[],
): (maxAgeMs: number, headers: readonly string[]) => PartCache {
  return (maxAgeMs, headers) => {
    const options = policy?.options.parse({ maxAge: `${maxAgeMs}ms`, key: { headers } });
    const instance = policy?.create(options, services);
    if (instance === undefined || isPromise(instance))
      throw new TypeError('there is no policy cache for parts here');
    closers.push(() => instance.close?.());
    return instance;
  };
}
