import { z } from 'zod';

/** Takes what the upstream gets in the place of a credential that never goes further. */
export function onward() {
  return z
    .enum(['drop', 'exchange'])
    .prefault('drop')
    .describe(
      'What the upstream gets in its place: nothing, or (`exchange`) a short token signed by the gateway, by `internalTokens`.',
    );
}
