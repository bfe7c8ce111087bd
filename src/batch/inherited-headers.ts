import { FieldKind, fieldKindOf } from '../core/field-kind.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { BatchItem } from './batch-item.ts';

/**
 * Makes the headers of one request of a batch: those of the batch, which say who asks and from where, unless the request
 * has its own. What is about the batch as a message is not taken over: its body and what is wanted of its response.
 */
export function headersOf({ headers }: BatchItem, ofBatch: HeaderList): [name: string, value: string][] {
  const taken = [...ofBatch].filter(([name]) => {
    const lower = name.toLowerCase();
    return !headers.has(lower) && isAboutCaller(lower);
  });
  return [...taken, ...headers];
}

function isAboutCaller(name: string): boolean {
  return !FRAMING.has(fieldKindOf(name)) && !OF_MESSAGE.has(name) && !/^(?:content-|if-)/.test(name);
}

const FRAMING: ReadonlySet<number> = new Set([
  FieldKind.host,
  FieldKind.connection,
  FieldKind.keepAlive,
  FieldKind.proxyConnection,
  FieldKind.te,
  FieldKind.trailer,
  FieldKind.transferEncoding,
  FieldKind.upgrade,
  FieldKind.contentLength,
  FieldKind.expect,
  FieldKind.xRequestId,
  FieldKind.date,
  FieldKind.http2Settings,
  FieldKind.maxForwards,
]);

/** A signature or key of the batch does not speak of what is in it: a request that needs one has its own. */
const OF_MESSAGE: ReadonlySet<string> = new Set([
  ...['accept', 'accept-encoding', 'cache-control', 'pragma', 'range', 'prefer', 'priority'],
  ...['idempotency-key', 'signature', 'signature-input', 'digest', 'repr-digest', 'want-content-digest'],
  ...['dpop', 'access-control-request-method', 'access-control-request-headers'],
]);
