import './node-version/reject-old-node.ts';

export { type ComposeRequest, type Composer, compose } from './aggregate/compose.ts';
export { ConfigError, type Problem } from './config/problem.ts';
export type { GatewayConfig } from './config/schema/schema.ts';
export {
  type BodySink,
  type BodySource,
  bodyFrom,
  bodyFromIterable,
  iterateBody,
  readBody,
} from './core/body.ts';
export type { Clock } from './core/clock.ts';
export type { GatewayState, Readiness, ReloadResult } from './core/control.ts';
export {
  FAILURES,
  type FailureCode,
  type FailureEntry,
  type FailureOrigin,
  GatewayError,
  type GatewayErrorOptions,
} from './core/errors.ts';
export type { Exchange, ProceedOptions, RouteInfo } from './core/exchange.ts';
export { HeaderList } from './core/header-list.ts';
export {
  type AuthServiceCode,
  type AuthToken,
  type CodeToken,
  defineAuthService,
  type TokenRejection,
  type TokenVerifier,
  type VerifiedToken,
} from './core/identity/auth-service.ts';
export type { Identification, Identifier } from './core/identity/identifier.ts';
export { defineIdentifyingPolicy } from './core/identity/identify.ts';
export type { Identity } from './core/identity/identity.ts';
export type { Reply, ResponseHead } from './core/message.ts';
export {
  definePolicy,
  type Policy,
  type PolicyCombination,
  type PolicyInstance,
  type PolicyPlace,
  type PolicyPosition,
  type RequestOutcome,
  type ResponseOutcome,
} from './core/policy.ts';
export type {
  AskOptions,
  Counter,
  Log,
  Metrics,
  SendOptions,
  Services,
  UpstreamRequest,
  UpstreamSender,
} from './core/services.ts';
export type { Hold } from './core/shared-resources.ts';
export type {
  LimitAlgorithm,
  LimitCharge,
  LimitRule,
  LimitStanding,
  LimitStore,
} from './core/stores/limit-store.ts';
export { type APIRequest, type ReceivedAPIRequest, toApiRequest } from './gateway/api-request.ts';
export type { AuthService } from './gateway/auth-service.ts';
export { createGateway, type GatewayOptions } from './gateway/create-gateway.ts';
export {
  type AggregateInput,
  aggregate,
  type PartBodies,
  type PartInput,
  part,
  type TypedPart,
} from './gateway/define-aggregate.ts';
export { type AppPlugin, defineGateway, type GatewayInput } from './gateway/define-gateway.ts';
export type {
  Gateway,
  /** What `createGateway` makes, by the name that the design gives it. */
  Gateway as APIGateway,
} from './gateway/gateway.ts';
export type { InjectRequest, InjectResponse } from './gateway/inject.ts';
export { RateLimiter, type RateLimiterOptions } from './gateway/rate-limiter.ts';
export type { RoutedRequest } from './gateway/request-stages.ts';
export type {
  AuthenticationMethod,
  CustomPolicies,
  CustomPolicyOptions,
  PolicyEntryInput,
  PolicyInput,
  PolicyOptions,
} from './policies/policy-input.ts';
export {
  any,
  apiKey,
  authorize,
  basic,
  bodyLimit,
  cache,
  clientCertificate,
  concurrency,
  cors,
  forwardAuth,
  headers,
  idempotencyKey,
  introspect,
  ipFilter,
  jwt,
  mirror,
  quota,
  rateLimit,
  requestId,
  respondAsync,
  securityHeaders,
  signature,
  transform,
  usePolicy,
  validate,
} from './policies/policy-uses.ts';
