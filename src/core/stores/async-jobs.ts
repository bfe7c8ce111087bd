import type { Identity } from '../identity/identity.ts';

/** A request as it is stored until it runs. It holds no credential: what was proven about the caller is `identity`. */
export interface StoredRequest {
  /** Id of its route. */
  readonly route: string;
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly query: string;
  readonly host: string;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly clientAddress: string;
  readonly isTrustedPeer: boolean;
  readonly peer: { readonly address: string; readonly port: number; readonly localPort: number };
  /** Names and values by turns. */
  readonly fields: readonly string[];
  /** In base64. */
  readonly body: string;
  readonly params: Readonly<Record<string, string>>;
  readonly identity: Omit<Identity, 'expiresAt'> | undefined;
  readonly isAdmitted: boolean;
  readonly callerFields: readonly (readonly [name: string, value: string])[] | undefined;
  readonly wantsInternalToken: boolean;
  readonly requestId: string;
}

/** A response as it is stored until it is fetched. */
export interface StoredResult {
  readonly status: number;
  /** Names and values by turns. */
  readonly fields: readonly string[];
  /** In base64. */
  readonly body: string;
}

/** A request that is to run later. */
export interface AsyncJob {
  readonly request: StoredRequest;
  /** Who may see what comes of it: a hash of the caller; `undefined` for whoever knows the id. */
  readonly owner: string | undefined;
  /** Largest body of a response that is stored, in bytes. */
  readonly maxResultBytes: number;
  /** Where the result is delivered as well. */
  readonly webhook?: string;
}

/** How a job stands. */
export interface JobStanding {
  readonly owner: string | undefined;
  readonly state: 'queued' | 'running' | 'done';
  /** There where it is done. */
  readonly result: StoredResult | undefined;
}

/** Requests that run later, durable, for all gateways together. Rejects where they cannot be reached. */
export interface AsyncJobs {
  /** Adds a job, which is stored once this resolves, and runs at least once. `retries` are attempts after the first one. */
  add(id: string, job: AsyncJob, retries: number): Promise<void>;
  /** Whether results are delivered to webhooks, and may be to this one; `undefined` where they are to none. */
  allowsWebhook(url: string): boolean | undefined;
  /** Finds a job, while it is kept. */
  find(id: string): Promise<JobStanding | undefined>;
}
