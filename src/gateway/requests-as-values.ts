import type { ListenerConfig } from '../config/schema/schema.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Identity } from '../core/identity/identity.ts';
import type { ClientInfo, ClientRequest, ClientSink, Reply } from '../core/message.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { type APIRequest, toInjectRequest } from './api-request.ts';
import { type AuthService, createAuthServiceDoor } from './auth-service.ts';
import { type InjectRequest, type InjectResponse, inject, receive } from './inject.ts';
import type { ListenerRules } from './request/request-context.ts';
import { RequestStages, type RoutedRequest } from './request-stages.ts';

/** How a listener takes requests. */
export interface ServingRules {
  readonly limits: ListenerConfig['limits'];
  readonly rules: ListenerRules;
}

/**
 * What a gateway does with requests that are given as values, whole or a stage by itself, as the first listener that does
 * not only redirect would with those of a socket. No port needs to be open.
 */
export abstract class RequestsAsValues {
  protected abstract readonly clock: Clock;
  /** The Snapshot that runs, once `prepareToServe` has. */
  protected abstract readonly running: Snapshot;
  /** Gets ready, and says how that listener takes requests. */
  protected abstract prepareToServe(): Promise<ServingRules>;
  protected abstract handle(request: ClientRequest, client: ClientSink, rules: ListenerRules): void;
  protected abstract reject(error: GatewayError, client: ClientInfo): Reply;

  /** Handles a request, policies, upstream and all. Rejects where the answer breaks off, or for what cannot be sent. */
  async handleRequest(request: APIRequest | InjectRequest): Promise<InjectResponse> {
    const { limits, rules } = await this.prepareToServe();
    return inject(toInjectRequest(request), {
      limits,
      handle: (received, client) => this.handle(received, client, rules),
      reject: (error, client) => this.reject(error, client),
    });
  }

  /** Does the same, by the name that tests of a configuration and its policies use. */
  inject(request: InjectRequest): Promise<InjectResponse> {
    return this.handleRequest(request);
  }

  /** Finds the route that a request takes. */
  async routeRequest(request: APIRequest | InjectRequest): Promise<RoutedRequest | undefined> {
    return (await this.stagesOf(request)).routeRequest();
  }

  /** Finds out who sent a request, nobody where none need say so. Rejects with the `GatewayError` that would answer it. */
  async authenticate(request: APIRequest | InjectRequest): Promise<Identity | undefined> {
    return (await this.stagesOf(request)).authenticate();
  }

  /** Does the same, and rejects where that one may not send it. */
  async authorize(request: APIRequest | InjectRequest): Promise<Identity | undefined> {
    return (await this.stagesOf(request)).authorize();
  }

  /** Gives one of `authServices`, as it is when a token comes. Its methods reject where there is none of that name. */
  authService(name: string): AuthService {
    return createAuthServiceDoor(async () => {
      await this.prepareToServe();
      const service = this.running.authServices.get(name);
      if (service === undefined) throw new TypeError(`there is no auth service '${name}'`);
      return service;
    });
  }

  private async stagesOf(request: APIRequest | InjectRequest): Promise<RequestStages> {
    const { limits, rules } = await this.prepareToServe();
    const { received } = receive(toInjectRequest(request), limits);
    if (received instanceof GatewayError) throw received;
    return new RequestStages(received, rules, this.running, this.clock);
  }
}
