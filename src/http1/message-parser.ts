import type { HeaderList } from '../core/header-list.ts';
import { type ExecuteOutcome, type Llhttp, llhttp, type ParserEvents } from './llhttp.ts';
import { readTrailers } from './trailers.ts';

/** Bounds on what a head may be. */
export interface HeadLimits {
  readonly headerBytes: number;
  readonly urlBytes: number;
  readonly headerCount: number;
}

/** Most fields whose positions are kept; limits on the number of fields stay below it. */
export const MAX_FIELDS = 1000;
const STRIDE = 4;

/**
 * Positions of the fields of the head being parsed, four numbers each: name start and end, value start and end,
 * relative to the first byte of the head. One table for all parsers: a head that comes in pieces saves its part.
 */
const spans = new Int32Array((MAX_FIELDS + 1) * STRIDE);
/** Start and end of each run of body bytes found by one `execute`. */
const bodySpans: number[] = [];

export type HeadOutcome = 'more' | 'head' | 'error' | 'head-too-large' | 'url-too-long' | 'no-parser';
export type BodyOutcome = 'more' | 'end' | 'error' | 'overhead';

/**
 * Parses the messages of one connection and one direction, one after the other.
 *
 * llhttp stops at the end of each head; who reads the head decides what follows. Only chunked bodies go through
 * llhttp then: a body of known length is counted by the connection, which spares copying it.
 */
export class MessageParser implements ParserEvents {
  /** The head so far, from the first byte after the previous message. */
  text = '';
  urlStart = 0;
  urlEnd = 0;
  fieldCount = 0;
  /** Where the last call stopped in its bytes: the first byte that it did not take. */
  position = 0;
  /** The body bytes that the last `parseChunked` found. */
  chunk: Uint8Array | undefined = undefined;
  trailers: HeaderList | undefined = undefined;
  private readonly llhttp: Llhttp = llhttp();
  private readonly type: number;
  private readonly limits: HeadLimits;
  private pointer = 0;
  private saved: Int32Array | undefined = undefined;
  /** Offset from positions in the current bytes to positions in the head. */
  private shift = 0;
  private isInTrailers = false;
  private lastWasName = false;
  private isFolded = false;
  private isMessageComplete = false;
  /** Raw bytes since the last body byte, of reads before this one. */
  private gap = 0;
  private gapStart = 0;
  private gapTooLarge = false;
  private trailerParts: string[] = [];

  constructor(type: number, limits: HeadLimits) {
    this.type = type;
    this.limits = limits;
  }

  /** Whether a head has begun and is not complete. */
  get isInHead(): boolean {
    return this.saved !== undefined;
  }

  /** Parses `start…end` of `bytes` as a head, or the next piece of one. */
  parseHead(bytes: Buffer, start: number, end: number): HeadOutcome {
    if (!this.beginHeadPiece(start)) return 'no-parser';
    const before = this.text.length;
    const outcome = this.llhttp.execute(this.pointer, bytes, start, end, this);
    this.position = this.llhttp.position;
    const isComplete = outcome === 'paused';
    this.text += bytes.latin1Slice(start, isComplete ? this.position : end);
    // Where it met an error, what came behind does not count.
    const bounds = this.checkBounds(outcome === 'error' ? before + this.position - start : this.text.length);
    if (bounds) return bounds;
    if (outcome === 'error' || this.isFolded) return 'error';
    if (isComplete) {
      this.saved = undefined;
      return 'head';
    }
    this.saved = spans.slice(0, (this.fieldCount + 1) * STRIDE);
    return 'more';
  }

  /** Why the last call answered `error`, in llhttp's words. */
  get errorReason(): string {
    return this.isFolded ? 'Line folding is obsolete' : this.llhttp.errorReason(this.pointer);
  }

  /** Reads one of the four positions of field `index` in `text`. */
  span(index: number, part: 0 | 1 | 2 | 3): number {
    return spans[index * STRIDE + part] as number;
  }

  /** Goes on behind the head into a chunked body. */
  beginChunked(): void {
    this.isInTrailers = true;
    this.isMessageComplete = false;
    this.gap = 0;
    this.trailers = undefined;
    this.trailerParts.length = 0;
    this.lastWasName = false;
    this.llhttp.resume(this.pointer);
  }

  /** Parses `start…end` of `bytes`, which must not be empty, as part of a chunked body. */
  parseChunked(bytes: Buffer, start: number, end: number): BodyOutcome {
    bodySpans.length = 0;
    this.gapStart = start;
    this.gapTooLarge = false;
    const outcome = this.llhttp.execute(this.pointer, bytes, start, end, this);
    this.position = this.llhttp.position;
    this.gap += this.position - this.gapStart;
    this.chunk = joinSpans(bytes);
    const { headerBytes, headerCount } = this.limits;
    const hasTooMany = this.trailerParts.length > 2 * headerCount;
    if (this.gapTooLarge || hasTooMany || this.gap > headerBytes) return 'overhead';
    return this.chunkedOutcome(outcome);
  }

  /** Ends the message: gives the parser back and forgets the head. */
  finish(): void {
    if (this.pointer !== 0) this.llhttp.release(this.pointer);
    this.pointer = 0;
    this.text = '';
    this.saved = undefined;
    this.isInTrailers = false;
    this.chunk = undefined;
    this.trailers = undefined;
  }

  onUrl(at: number, length: number): void {
    if (this.urlEnd === 0) this.urlStart = at + this.shift;
    this.urlEnd = at + length + this.shift;
  }

  onFieldName(at: number, length: number): void {
    if (this.isInTrailers) return this.addTrailerPart(at, length, true);
    if (!this.lastWasName) {
      if (this.fieldCount < MAX_FIELDS) this.fieldCount++;
      spans[(this.fieldCount - 1) * STRIDE] = at + this.shift;
      this.lastWasName = true;
    }
    spans[(this.fieldCount - 1) * STRIDE + 1] = at + length + this.shift;
  }

  onFieldValue(at: number, length: number): void {
    if (this.isInTrailers) return this.addTrailerPart(at, length, false);
    const base = (this.fieldCount - 1) * STRIDE;
    if (this.lastWasName) spans[base + 2] = at + this.shift;
    else if (spans[base + 3] !== at + this.shift) this.isFolded = true;
    this.lastWasName = false;
    spans[base + 3] = at + length + this.shift;
  }

  onHeadComplete(): void {}

  onBody(at: number, length: number): void {
    if (this.gap + at - this.gapStart > this.limits.headerBytes) this.gapTooLarge = true;
    this.gap = 0;
    this.gapStart = at + length;
    bodySpans.push(at, at + length);
  }

  onMessageComplete(): void {
    this.isMessageComplete = true;
  }

  /** Answers `false` when all parsers are in use. */
  private beginHeadPiece(start: number): boolean {
    if (this.saved === undefined) {
      if (this.pointer === 0) this.pointer = this.llhttp.acquire();
      if (this.pointer === 0) return false;
      this.llhttp.start(this.pointer, this.type);
      this.text = '';
      this.urlStart = 0;
      this.urlEnd = 0;
      this.fieldCount = 0;
      this.isFolded = false;
      this.lastWasName = false;
      this.isInTrailers = false;
    } else {
      spans.set(this.saved);
    }
    this.shift = this.text.length - start;
    return true;
  }

  private checkBounds(headLength: number): HeadOutcome | undefined {
    const { urlBytes, headerBytes, headerCount } = this.limits;
    if (this.urlEnd - this.urlStart > urlBytes) return 'url-too-long';
    return headLength > headerBytes || this.fieldCount > headerCount ? 'head-too-large' : undefined;
  }

  private chunkedOutcome(outcome: ExecuteOutcome): BodyOutcome {
    if (outcome === 'error') return 'error';
    if (!this.isMessageComplete) return 'more';
    this.trailers = readTrailers(this.trailerParts);
    return 'end';
  }

  private addTrailerPart(at: number, length: number, isName: boolean): void {
    const text = this.llhttp.textAt(at, length);
    if (isName !== this.lastWasName) this.trailerParts.push(text);
    else this.trailerParts[this.trailerParts.length - 1] += text;
    this.lastWasName = isName;
  }
}

/** Joins the runs of body bytes: one run is a view, several are copied together, so that tiny chunks travel as one. */
function joinSpans(bytes: Buffer): Uint8Array | undefined {
  if (bodySpans.length === 0) return undefined;
  if (bodySpans.length === 2) return bytes.subarray(bodySpans[0], bodySpans[1]);
  const runs: Uint8Array[] = [];
  for (let i = 0; i < bodySpans.length; i += 2) runs.push(bytes.subarray(bodySpans[i], bodySpans[i + 1]));
  return Buffer.concat(runs);
}
