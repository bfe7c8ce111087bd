import { definePolicy } from '../../core/policy.ts';
import { compileChange, requestNames, responseNames } from './message-change.ts';
import { TransformInstance } from './transform-instance.ts';
import { transformOptions } from './transform-options.ts';

/** Changes what is in messages. */
export const transform = definePolicy({
  name: 'transform',
  summary: 'Changes status, headers and JSON bodies of requests and responses by templates.',
  options: transformOptions(),
  // What it waits for has limits of its own.
  maxWaitMs: 0,
  create({ request, response, unsupported, maxBody, maxDepth }, services) {
    return new TransformInstance({
      request: request && compileChange(request, requestNames(undefined)),
      response: response && {
        change: compileChange(response, responseNames(undefined)),
        status: response.status,
      },
      passesUnsupported: unsupported === 'pass',
      maxBody,
      maxDepth,
      bufferBody: services.bufferBody,
      holdBytes: services.holdBytes,
    });
  },
});
