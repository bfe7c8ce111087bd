import { z } from 'zod';
import { text } from '../config/schema/scalars.ts';
import { defineIdentifyingPolicy } from '../core/identity/identify.ts';
import {
  findServices,
  hasIdleOrigins,
  IDLE_ORIGINS,
  TokenIdentifier,
  tokenOptions,
  USUAL_SERVICE,
} from './jwt/token-identifier.ts';

/** Identifies by a token of any kind, about which an auth service asks whoever issued it. */
export const introspect = defineIdentifyingPolicy({
  name: 'introspect',
  summary:
    'Identifies the caller by a token that its issuer is asked about. A request without a valid one is answered 401.',
  authServices: 'by-asking',
  options: z
    .strictObject({
      service: text().prefault(USUAL_SERVICE).describe('Which of `authServices` asks about the token.'),
      ...tokenOptions(),
    })
    .refine((options) => !hasIdleOrigins(options), IDLE_ORIGINS),
  createIdentifier({ service, ...options }, services) {
    return new TokenIdentifier(findServices([service], services, 'by-key'), {
      ...options,
      method: 'introspect',
    });
  },
});
