import { createHash } from 'node:crypto';
import { joinParts } from '../../cache/cache-key.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { HeaderList } from '../../core/header-list.ts';
import { callerName } from '../../core/identity/caller-name.ts';
import type { Reply, ResponseHead } from '../../core/message.ts';
import type { PolicyInstance, RequestOutcome } from '../../core/policy.ts';
import type { Services } from '../../core/services.ts';
import type { AsyncJobs, StoredResult } from '../../core/stores/async-jobs.ts';
import type { AsyncOptions } from './async-options.ts';
import { JOBS_PATH, newJobId, readJobPath } from './job-id.ts';
import { type AsyncPreference, readPreference } from './prefer.ts';
import { storeRequest } from './stored-request.ts';

export interface AsyncParts {
  readonly options: AsyncOptions;
  readonly jobs: AsyncJobs;
  readonly clock: Pick<Clock, 'after' | 'monotonic'>;
  readonly bufferBody: NonNullable<Services['bufferBody']>;
}

/** Seconds after which a client may ask again, and that it may wait in one request. */
const RETRY_AFTER = '1';
const MAX_WAIT_S = 30;
/** How often a job is looked at for a client that waits. */
const LOOK_MS = 100;

const NO_PREFERENCE: AsyncPreference = { respondAsync: false, wait: undefined, callback: undefined };

/** One use of the policy: stores requests to run later, and tells how they stand. */
export class AsyncInstance implements PolicyInstance {
  private readonly parts: AsyncParts;

  constructor(parts: AsyncParts) {
    this.parts = parts;
  }

  onRequest(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    // The gateway sends what is below this path nowhere else.
    if (exchange.path.startsWith(JOBS_PATH)) return this.tell(exchange);
    const { options, bufferBody } = this.parts;
    const written = exchange.request.headers.get('prefer');
    const preference = written === undefined ? NO_PREFERENCE : readPreference(written);
    const isLater = options.when === 'always' || preference.respondAsync;
    if (!isLater || exchange.request.upgrade !== undefined) return undefined;
    if (preference.callback !== undefined && this.parts.jobs.allowsWebhook(preference.callback) === false)
      return new GatewayError('GW_WEBHOOK_REJECTED');
    const reading = bufferBody(exchange, options.maxBody);
    if (reading === undefined) return this.accept(exchange, preference);
    return reading.then((failure) => failure ?? this.accept(exchange, preference));
  }

  onResponse(_: Exchange, { headers }: ResponseHead): void {
    if (this.parts.options.when === 'prefer') addVary(headers);
  }

  private async accept(exchange: Exchange, preference: AsyncPreference): Promise<RequestOutcome> {
    const { options, jobs } = this.parts;
    const id = newJobId(exchange.route.id);
    const { callback } = preference;
    const isCalled = callback !== undefined && jobs.allowsWebhook(callback) === true;
    const job = {
      request: storeRequest(exchange, id),
      owner: ownerOf(exchange),
      maxResultBytes: options.maxResult,
      ...(isCalled && { webhook: callback }),
    };
    try {
      await jobs.add(id, job, options.retries);
    } catch (cause) {
      return unavailable(cause);
    }
    const wait = preference.respondAsync ? Math.min(preference.wait ?? 0, MAX_WAIT_S) : 0;
    const result = wait === 0 ? undefined : await this.waitFor(id, wait, exchange);
    if (result !== undefined) return replyOf(result, `respond-async, wait=${wait}`);
    return {
      status: 202,
      headers: {
        Location: JOBS_PATH + id,
        'Retry-After': RETRY_AFTER,
        'Content-Type': 'application/json',
        'Cache-Control': 'no-store',
        ...(preference.respondAsync && {
          'Preference-Applied': isCalled ? 'respond-async, callback' : 'respond-async',
        }),
      },
      body: JSON.stringify({ id, state: 'queued' }),
    };
  }

  /** Waits for the result, as long as the client would. */
  private async waitFor(id: string, seconds: number, exchange: Exchange): Promise<StoredResult | undefined> {
    const { clock, jobs } = this.parts;
    const endsAt = clock.monotonic() + seconds * 1000;
    while (clock.monotonic() < endsAt && !exchange.signal.aborted) {
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
      try {
        const standing = await jobs.find(id);
        if (standing?.result !== undefined) return standing.result;
      } catch {
        // The job is accepted; its client asks later.
        return undefined;
      }
    }
    return undefined;
  }

  private async tell(exchange: Exchange): Promise<RequestOutcome> {
    const { method } = exchange.request;
    if (method !== 'GET' && method !== 'HEAD')
      return new GatewayError('GW_METHOD_NOT_ALLOWED', { headers: { allow: 'GET, HEAD' } });
    const id = readJobPath(exchange.path)?.id;
    if (id === undefined) return new GatewayError('GW_JOB_UNKNOWN');
    try {
      const standing = await this.parts.jobs.find(id);
      const isVisible = standing?.owner === undefined || standing.owner === ownerOf(exchange);
      if (standing === undefined || !isVisible) return new GatewayError('GW_JOB_UNKNOWN');
      if (standing.result !== undefined) return replyOf(standing.result);
      return {
        status: 200,
        headers: {
          'Retry-After': RETRY_AFTER,
          'Content-Type': 'application/json',
          'Cache-Control': 'no-store',
        },
        body: JSON.stringify({ id, state: standing.state }),
      };
    } catch (cause) {
      return unavailable(cause);
    }
  }
}

/** Whoever calls: only who requested something sees what came of it. An anonymous caller has the id alone, which nobody can guess. */
function ownerOf(exchange: Exchange): string | undefined {
  const name = callerName(exchange);
  return name && createHash('sha256').update(joinParts(name)).digest('base64url');
}

function replyOf({ status, fields, body }: StoredResult, applied?: string): Reply {
  const headers = HeaderList.from();
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i] as string, fields[i + 1] as string);
  if (applied !== undefined) headers.set('Preference-Applied', applied);
  return { status, headers, body: Buffer.from(body, 'base64') };
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError('GW_JOBS_UNAVAILABLE', { cause, headers: { 'retry-after': RETRY_AFTER } });
}

function addVary(headers: HeaderList): void {
  const vary = headers.get('vary');
  const names = vary?.split(',').map((name) => name.trim().toLowerCase()) ?? [];
  if (!names.includes('prefer') && !names.includes('*')) headers.append('Vary', 'Prefer');
}
