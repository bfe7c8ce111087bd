import { z } from 'zod';
import { text } from '../../config/schema/scalars.ts';
import { defineIdentifyingPolicy } from '../../core/identity/identify.ts';
import {
  findServices,
  hasIdleOrigins,
  IDLE_ORIGINS,
  TokenIdentifier,
  tokenOptions,
  USUAL_SERVICE,
} from './token-identifier.ts';

/** Identifies by a signed token (JWT) that an auth service verifies by key. */
export const jwt = defineIdentifyingPolicy({
  name: 'jwt',
  summary: 'Identifies the caller by a signed token. A request without a valid one is answered 401.',
  authServices: 'by-key',
  options: z
    .strictObject({
      service: text().optional().describe('Which of `authServices` verifies the token. Default: `main`.'),
      services: z
        .array(text())
        .min(2, { error: 'names fewer than two — write service for one' })
        .optional()
        .describe(
          'Several of `authServices`, in the place of `service`: the one answers whose `issuer` the token names.',
        ),
      ...tokenOptions(),
    })
    .refine(({ service, services }) => service === undefined || services === undefined, {
      path: ['services'],
      error: 'stands beside service — keep one of the two',
    })
    .refine((options) => !hasIdleOrigins(options), IDLE_ORIGINS),
  createIdentifier({ service = USUAL_SERVICE, services: names = [service], ...options }, services) {
    return new TokenIdentifier(findServices(names, services, 'by-asking'), { ...options, method: 'jwt' });
  },
});
