import type { ForwardReason } from '../../cache/cache-status.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheRequest } from './cache-request.ts';
import type { Flight } from './flights.ts';

/** A request on its way to the upstream. */
export interface Fetching {
  readonly exchange: Exchange;
  readonly request: CacheRequest;
  /** What is stored, and has to be validated. */
  readonly stored: StoredResponse | undefined;
  readonly reason: ForwardReason;
  /** Those who wait for the response; `undefined` where nobody may. */
  readonly flight: Flight | undefined;
  /** Whether no client waits for it. */
  readonly isDetached: boolean;
}

/** A response, with the headers that it was asked for with, as policies behind the cache have left them. */
export interface Sent {
  readonly sent: HeaderList;
}
