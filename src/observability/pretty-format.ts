import { prettyFactory } from 'pino-pretty';

/** An escape of a control character in JSON, behind an even number of backslashes, other than line feed and tab. */
const ESCAPED_CONTROL = /(?<!\\)((?:\\\\)*)\\(u00(?:[01][0-9a-f]|7f|[89][0-9a-f])|[bfr])/gi;
const RAW_CONTROL = /[\u007f-\u009f]/g;

/** Makes a function that turns a line of JSON into one for reading. */
export function createPrettyFormat(): (line: string) => string {
  const prettify = prettyFactory({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    singleLine: true,
  });
  return (line) => prettify(showControls(line)) ?? line;
}

/** Makes control characters visible, since what a stranger sent must not steer the terminal. */
function showControls(line: string): string {
  return line.replace(ESCAPED_CONTROL, '$1\\\\$2').replace(RAW_CONTROL, '?');
}
