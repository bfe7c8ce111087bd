import { FieldKind } from '../core/field-kind.ts';
import { HeaderList, markField, STRIDE } from '../core/header-list.ts';
import { readDecimal } from './decimal.ts';
import type { MessageParser } from './message-parser.ts';

/** What `readFields` gathers of the fields that decide about the connection and the body. */
export interface FieldFacts {
  hosts: number;
  host: string;
  lengths: number;
  /** -1 where it is not a length. */
  length: number;
  codings: number;
  coding: string;
  connection: string;
  upgrade: string;
  expect: string;
  keepAlive: string;
  te: string;
}

/** Of the head that `readFields` read last. */
export const facts: FieldFacts = {
  hosts: 0,
  host: '',
  lengths: 0,
  length: 0,
  codings: 0,
  coding: '',
  connection: '',
  upgrade: '',
  expect: '',
  keepAlive: '',
  te: '',
};

/** The marks of the head being read, so that only their exact number has to be allocated. */
const marks: number[] = [];

/**
 * Makes the header list and gathers `facts`. Answers `undefined` when the lines are not exactly name, colon, value,
 * white space, CRLF, one behind the other from `firstLine` on: what is forwarded in runs must be what was understood.
 */
export function readFields(parser: MessageParser, firstLine: number): HeaderList | undefined {
  const text = parser.text;
  let marked = 0;
  let kinds = 0;
  resetFacts();
  let lineStart = firstLine;
  for (let i = 0; i < parser.fieldCount; i++) {
    const nameStart = parser.span(i, 0);
    const nameEnd = parser.span(i, 1);
    let valueStart = parser.span(i, 2);
    let rawValueEnd = parser.span(i, 3);
    // llhttp reports an empty value only behind its line.
    if (valueStart === rawValueEnd) valueStart = rawValueEnd = nameEnd + 1;
    if (nameStart !== lineStart || text.charCodeAt(nameEnd) !== 0x3a) return undefined;
    lineStart = endOfLine(text, rawValueEnd);
    if (lineStart < 0) return undefined;
    const valueEnd = trimEnd(text, valueStart, rawValueEnd);
    const kind = markField(marks, marked, text, nameStart, nameEnd, valueStart, valueEnd);
    kinds |= 1 << kind;
    // With `_` for `-` it may read like one of these to a backend, but HTTP does not mean it: dropped, not obeyed.
    if (kind !== FieldKind.other && hasOtherSign(text, nameStart, nameEnd)) marks[marked] = FieldKind.removed;
    else if (kind !== FieldKind.other) gatherFact(kind, text, valueStart, valueEnd);
    marked += STRIDE;
  }
  if (!text.startsWith('\r\n', lineStart)) return undefined;
  return HeaderList.received(text, lineStart, marks.slice(0, marked), kinds);
}

function resetFacts(): void {
  facts.hosts = 0;
  facts.host = '';
  facts.lengths = 0;
  facts.length = 0;
  facts.codings = 0;
  facts.coding = '';
  facts.connection = '';
  facts.upgrade = '';
  facts.expect = '';
  facts.keepAlive = '';
  facts.te = '';
}

/** Returns the start of the next line, or -1 if anything but white space and CRLF follows `at`. */
function endOfLine(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) === 0x20 || text.charCodeAt(end) === 0x09) end++;
  return text.charCodeAt(end) === 0x0d && text.charCodeAt(end + 1) === 0x0a ? end + 2 : -1;
}

function trimEnd(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && (text.charCodeAt(at - 1) === 0x20 || text.charCodeAt(at - 1) === 0x09)) at--;
  return at;
}

function gatherFact(kind: number, text: string, valueStart: number, valueEnd: number): void {
  switch (kind) {
    case FieldKind.host:
      facts.hosts++;
      facts.host = text.slice(valueStart, valueEnd);
      return;
    case FieldKind.contentLength:
      facts.lengths++;
      facts.length = readDecimal(text, valueStart, valueEnd);
      return;
    case FieldKind.transferEncoding:
      facts.codings++;
      // llhttp does not know `chunked` with a tab behind it.
      facts.coding = text.slice(valueStart, isTabBehind(text, valueEnd) ? valueEnd + 1 : valueEnd);
      return;
    case FieldKind.connection:
      facts.connection = joinList(facts.connection, text.slice(valueStart, valueEnd));
      return;
    case FieldKind.upgrade:
      facts.upgrade = joinList(facts.upgrade, text.slice(valueStart, valueEnd));
      return;
    case FieldKind.expect:
      facts.expect = joinList(facts.expect, text.slice(valueStart, valueEnd) || '-');
      return;
    case FieldKind.te:
      facts.te = joinList(facts.te, text.slice(valueStart, valueEnd).toLowerCase());
      return;
    case FieldKind.keepAlive:
      facts.keepAlive = text.slice(valueStart, valueEnd);
  }
}

/** Whether the white space at `at` holds a tab. */
function isTabBehind(text: string, at: number): boolean {
  let end = at;
  while (text.charCodeAt(end) === 0x20) end++;
  return text.charCodeAt(end) === 0x09;
}

/** Whether a name has a sign other than `-`: one of those below `0`, above `z`, or between the digits and letters. */
function hasOtherSign(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2d || (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) continue;
    if (code < 0x30 || code > 0x39) return true;
  }
  return false;
}

function joinList(list: string, value: string): string {
  return list === '' ? value : `${list},${value}`;
}
