import { HeaderList, markField } from '../header-list.ts';

const COLON = 0x3a;
const LINE_FEED = 0x0a;

/** Makes an independent copy that keeps nothing of the head alive that a list was received with. */
export function compactHeaders(headers: HeaderList): HeaderList {
  const lines = Buffer.from(headers.toLines(), 'latin1').toString('latin1');
  const marks: number[] = [];
  let nameStart = 0;
  let colon = -1;
  for (let i = 0; i < lines.length; i++) {
    const code = lines.charCodeAt(i);
    if (code === COLON && colon < 0) colon = i;
    if (code !== LINE_FEED) continue;
    let valueStart = colon + 1;
    // Before the line feed stands a carriage return.
    let valueEnd = i - 1;
    while (valueStart < valueEnd && isSpace(lines.charCodeAt(valueStart))) valueStart++;
    while (valueEnd > valueStart && isSpace(lines.charCodeAt(valueEnd - 1))) valueEnd--;
    markField(marks, marks.length, lines, nameStart, colon, valueStart, valueEnd);
    nameStart = i + 1;
    colon = -1;
  }
  return HeaderList.received(lines, lines.length, marks);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
