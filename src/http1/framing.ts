import { facts } from './head-fields.ts';

/** How the end of a body is found (RFC 9112 §6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'until-close';

/**
 * Tells how the body of the request whose fields were read last ends, or `undefined` where that is not clear. RFC 9112 §6.3,
 * and stricter: `Transfer-Encoding` is exactly one `chunked`, on 1.1, without `Content-Length`.
 */
export function readRequestFraming(minor: 0 | 1): Framing | undefined {
  if (facts.codings > 0) {
    if (facts.codings > 1 || facts.lengths > 0 || minor === 0) return undefined;
    return facts.coding.toLowerCase() === 'chunked' ? 'chunked' : undefined;
  }
  if (facts.lengths === 0) return 'none';
  if (!isValidLength()) return undefined;
  return facts.length === 0 ? 'none' : 'length';
}

/** Tells how the body of the response whose fields were read last, to `method`, ends. As strict as for requests. */
export function readResponseFraming(minor: 0 | 1, status: number, method: string): Framing | undefined {
  if (facts.codings > 0) {
    if (facts.codings > 1 || facts.lengths > 0 || minor === 0) return undefined;
    if (facts.coding.toLowerCase() !== 'chunked') return undefined;
  }
  if (facts.lengths > 0 && !isValidLength()) return undefined;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (facts.codings > 0) return 'chunked';
  if (facts.lengths === 0) return 'until-close';
  return facts.length === 0 ? 'none' : 'length';
}

function isValidLength(): boolean {
  return facts.lengths === 1 && facts.length >= 0;
}
