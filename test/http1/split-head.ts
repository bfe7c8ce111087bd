import type { MessageParser } from '../../src/http1/message-parser.ts';

/**
 * Stands in for a parser that takes everything: splits a head at its lines and colons and judges nothing, so that the
 * rules of those who read heads are seen by themselves, also where llhttp would have refused before them.
 */
export function splitHead(text: string): MessageParser {
  const start = /^[\r\n]*/.exec(text)?.[0].length ?? 0;
  const [line = ''] = text.slice(start).split('\r\n');
  const urlStart = start + (/^\S* +/.exec(line)?.[0].length ?? 0);
  const urlEnd = urlStart + (/^\S*/.exec(text.slice(urlStart))?.[0].length ?? 0);
  const spans: number[][] = [];
  let at = start + line.length + 2;
  for (const field of text.slice(at).split('\r\n')) {
    const colon = field.indexOf(':');
    if (colon < 0) break;
    const value = field.slice(colon + 1);
    const valueStart = at + colon + 1 + (/^[ \t]*/.exec(value)?.[0].length ?? 0);
    spans.push([at, at + colon, valueStart, at + field.length]);
    at += field.length + 2;
  }
  const span = (index: number, part: number): number => spans[index]?.[part] ?? 0;
  return { text, urlStart, urlEnd, fieldCount: spans.length, span } as unknown as MessageParser;
}

/** The same with the positions of one field moved, as a parser with a fault might give them. */
export function splitHeadWrongly(text: string, part: 0 | 1 | 3, by: number): MessageParser {
  const parser = splitHead(text);
  const { span } = parser;
  const moved = (index: number, which: 0 | 1 | 2 | 3): number =>
    span(index, which) + (index === 1 && which === part ? by : 0);
  return { ...parser, span: moved } as unknown as MessageParser;
}
