import type { HeadFault } from '../head-fault.ts';
import type { HeadOutcome, MessageParser } from '../message-parser.ts';

/** Without end they would cost work that no limit counts. */
export const TOO_MANY_EMPTY_LINES: HeadFault = {
  code: 'GW_HEADERS_TOO_LARGE',
  detail: 'too many empty lines stand before the request',
};

/** Says why `parser` did not take a head. */
export function explainRejection(
  outcome: Exclude<HeadOutcome, 'more' | 'head'>,
  parser: MessageParser,
): HeadFault {
  switch (outcome) {
    case 'url-too-long':
      return { code: 'GW_URI_TOO_LONG', detail: 'the request target is too long' };
    case 'head-too-large':
      return { code: 'GW_HEADERS_TOO_LARGE', detail: 'the request header is too large' };
    case 'no-parser':
      return { code: 'GW_TOO_MANY_CONNECTIONS', detail: 'too many requests are being read' };
    case 'error':
      return explainError(parser.errorReason, parser.text);
  }
}

/** Puts llhttp's reason into a response. */
function explainError(reason: string, text: string): HeadFault {
  const line = text.replace(/^[\r\n]+/, '');
  if (/^PRI \* HTTP\/2|^\S+ \S+ HTTP\/[02-9]\.\d\r\n/.test(line)) {
    return { code: 'GW_VERSION_UNSUPPORTED', detail: 'only HTTP/1.0 and HTTP/1.1 are spoken here' };
  }
  if (
    reason.startsWith('Invalid method') &&
    /^[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]* \S+ HTTP\/1\.\d\r\n/.test(line)
  ) {
    return { code: 'GW_METHOD_UNKNOWN', detail: 'this method is not supported' };
  }
  return { code: 'GW_BAD_REQUEST', detail: reason.toLowerCase() };
}
