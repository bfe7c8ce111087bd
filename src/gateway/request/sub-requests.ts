import type { BatchItem } from '../../batch/batch-item.ts';
import type { ItemRunner } from '../../batch/batch-plan.ts';
import { headersOf } from '../../batch/inherited-headers.ts';
import type { Clock } from '../../core/clock.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { isOfOtherOrigin } from '../../core/identity/page-origin.ts';
import type { ClientRequest, Reply } from '../../core/message.ts';
import { problemReply } from '../../core/problem.ts';
import { ReplySink } from '../../proxy/reply-sink.ts';
import type { RouteAction } from '../../snapshot/route.ts';
import { receive } from '../inject.ts';
import type { AttachedReplies } from './run-rest.ts';

/** The run of a batch, of which each request is run by itself. */
export interface BatchOwner {
  readonly exchange: Exchange;
  readonly clock: Clock;
  /** Those that end when this run does. */
  readonly attached: AttachedReplies;
}

/** What the head of a request in a batch may come to, as the defaults of a listener. */
const LIMITS = { headerBytes: 16 * 1024, urlBytes: 8 * 1024, headerCount: 100 };

/** Makes requests of what a batch holds, as if its client had sent each on the connection of the batch. */
export class SubRequests implements ItemRunner {
  private readonly owner: BatchOwner;
  private readonly begin: (item: ClientRequest, sink: ReplySink) => void;
  /** The header as it was before policies took credentials out of it. */
  private readonly received: HeaderList;

  /** `begin` begins the life of one. */
  constructor(owner: BatchOwner, begin: (item: ClientRequest, sink: ReplySink) => void) {
    this.owner = owner;
    this.begin = begin;
    this.received = owner.exchange.headers.clone();
  }

  /** Runs one: its head is read by the parser of all requests. Rejects where its response breaks off before a head. */
  async run(item: BatchItem, signal: AbortSignal): Promise<Reply> {
    const { exchange, clock, attached } = this.owner;
    const { received } = receive(
      {
        method: item.method,
        url: item.path,
        headers: [['host', exchange.publicAuthority], ...headersOf(item, this.received)],
        ...(item.body && { body: item.body }),
      },
      LIMITS,
    );
    if (received instanceof GatewayError) return problemReply(received, exchange.requestId);
    const leave = (): void =>
      sink.leave(signal.reason, asGatewayError(signal.reason)?.code ?? 'GW_CLIENT_CLOSED');
    const sink = new ReplySink(clock, () => {
      attached.delete(sink);
      signal.removeEventListener('abort', leave);
    });
    attached.set(sink, undefined);
    signal.addEventListener('abort', leave);
    // Of its own, so that no connection to a target that this client logged in is shared by several requests at once.
    const client = { ...exchange.request.client };
    this.begin({ ...received, client }, sink);
    return sink.reply;
  }
}

/**
 * Says why a request of a batch is not run: it is a batch itself, or comes from a page of another origin that `cors` of
 * its route does not let in. A browser would have asked before it sent such a request; a batch is sent at once.
 */
export function rejectInBatch(exchange: Exchange, action: RouteAction): GatewayError | undefined {
  if (action.kind === 'batch') return new GatewayError('GW_BATCH_NESTED');
  if (exchange.pageAccess === 'none' && isOfOtherOrigin(exchange))
    return new GatewayError('GW_FORBIDDEN', { reason: 'origin' });
  return undefined;
}
