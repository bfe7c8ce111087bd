import { FORWARDED_METHODS } from '../../src/core/methods.ts';
import {
  compareMessage,
  type Difference,
  fault,
  type StricterRule,
  stricter,
  valuesOf,
} from './compare-messages.ts';
import type { Outcome, TakenMessage } from './taken.ts';

const METHODS = new RegExp(`^(${FORWARDED_METHODS.join('|')}) `);
const HOST = /^(\[[0-9a-f:.]+\]|\w[\w.-]*)(:\d{0,5})?$/i;
const LARGEST_LENGTH = 2n ** 53n - 1n;

/** Each case in which we refuse a request that node:http hands to its handler. */
export const STRICTER: readonly StricterRule[] = [
  {
    name: 'a protocol other than HTTP/1.0 and HTTP/1.1',
    explains: ({ line }, text) => !/ 1\.[01]$/.test(line) || /^\S+ \S+ (RTSP|ICE)\//m.test(text),
  },
  {
    name: 'a method that the gateway does not know, CONNECT or TRACE',
    explains: ({ line }) => !METHODS.test(line),
  },
  {
    name: 'several spaces in the request line',
    explains: (_, text) => /^[A-Z]+ ( +[^ ]+ *|[^ ]+ +) HTTP/m.test(text),
  },
  {
    name: 'Host that is repeated, empty or not a host with an optional port',
    explains: (message) => {
      const hosts = valuesOf(message, 'host');
      return hosts.length > 1 || hosts.some((host) => !isHost(host));
    },
  },
  {
    name: 'what comes behind a request without Host, to which node:http answers 400 and goes on',
    explains: (_, text) => /^[A-Z]+ \S+ HTTP\/1\.1\r\n(?!(?:[^\r\n]+\r\n)*host:)/im.test(text),
  },
  {
    name: 'an absolute-form target whose authority is not a host with an optional port',
    explains: ({ line }) => {
      const authority = /^\S+ https?:\/\/([^/?#]*)\S* \S+$/i.exec(line)?.[1];
      return authority !== undefined && !isHost(authority);
    },
  },
  {
    name: 'Transfer-Encoding that is not exactly one `chunked`',
    explains: (message) => {
      const codings = valuesOf(message, 'transfer-encoding');
      return codings.length > 1 || codings.some((coding) => coding.toLowerCase() !== 'chunked');
    },
  },
  {
    name: 'a tab behind `chunked`',
    explains: (_, text) => /^transfer-encoding:[^\r\n]*\t *\r\n/im.test(text),
  },
  {
    name: 'Transfer-Encoding on HTTP/1.0',
    explains: (message) => / 1\.0$/.test(message.line) && valuesOf(message, 'transfer-encoding').length > 0,
  },
  {
    name: 'Content-Length that is repeated, empty, above 2^53-1 or of more than 16 digits',
    explains: (message) => {
      const lengths = valuesOf(message, 'content-length');
      return (
        lengths.length > 1 ||
        lengths.some((length) => !/^\d{1,16}$/.test(length) || BigInt(length) > LARGEST_LENGTH)
      );
    },
  },
  {
    name: 'an expectation other than 100-continue, alone',
    explains: (message) =>
      valuesOf(message, 'expect').some((value) => value.toLowerCase() !== '100-continue'),
  },
  {
    name: 'bytes that are not HTTP in or behind a request for an upgrade, which node:http ignores',
    explains: (message) => valuesOf(message, 'upgrade').length > 0,
  },
];

/** Compares what we made of a stream with what Node made of it. Answers `undefined` where it is the same. */
export function compareRequests(text: string, ours: Outcome, nodes: Outcome): Difference | undefined {
  for (const [i, mine] of ours.messages.entries()) {
    const theirs = nodes.messages[i];
    if (theirs === undefined) return takenAlone(i, nodes);
    const what = compareMessage(mine, theirs);
    if (what !== undefined) return fault(`request ${i + 1} differs in its ${what}`);
  }
  if (nodes.isRejected && !ours.isRejected) return fault('refused by node:http only');
  const next = nodes.messages[ours.messages.length];
  if (next !== undefined) return stricter(STRICTER, next, text);
  const last = nodes.messages.at(-1);
  const isStricter = ours.isRejected && !nodes.isRejected && !isLast(last);
  return isStricter ? stricter(STRICTER, last, text) : undefined;
}

/** Node takes all bytes behind such a request for another protocol's, though nobody switched to one, and drops them. */
export const LOST_BY_NODE = 'what follows a request with a body that asks for an upgrade';

function takenAlone(index: number, nodes: Outcome): Difference {
  const what = `request ${index + 1} is taken by us only`;
  const last = nodes.messages.at(-1);
  const isLost = last !== undefined && !nodes.isRejected && valuesOf(last, 'upgrade').length > 0;
  return isLost ? { rules: [LOST_BY_NODE], what } : fault(what);
}

/** Whether a connection ends by itself after this request. Node closes it when its handler has answered. */
function isLast(message: TakenMessage | undefined): boolean {
  if (message === undefined) return false;
  const options = valuesOf(message, 'connection').join().toLowerCase();
  if (/(^|,)\s*close\s*(,|$)/.test(options)) return true;
  return message.line.endsWith(' 1.0') && !/(^|,)\s*keep-alive\s*(,|$)/.test(options);
}

function isHost(value: string): boolean {
  return HOST.test(value) && Number(/:(\d+)$/.exec(value)?.[1] ?? 0) <= 65_535;
}
