import type { TakenMessage } from './taken.ts';

/** A rule by which we refuse what others take. */
export interface StricterRule {
  readonly name: string;
  readonly explains: (message: TakenMessage, text: string) => boolean;
}

/** How two readings of one stream differ, and why. */
export interface Difference {
  /** The names of all rules that explain it; none means that it is a fault. */
  readonly rules: readonly string[];
  readonly what: string;
}

/** Makes the difference of two readings that must not differ. */
export function fault(what: string): Difference {
  return { rules: [], what };
}

/** Makes the difference of what others take and we refuse. */
export function stricter(
  rules: readonly StricterRule[],
  message: TakenMessage | undefined,
  text: string,
): Difference {
  const found = rules.filter(({ explains }) => message !== undefined && explains(message, text));
  return { rules: found.map(({ name }) => name), what: `refused by us only: ${JSON.stringify(message)}` };
}

/** Names what of a message we took in another way than others, if anything. */
export function compareMessage(mine: TakenMessage, theirs: TakenMessage): string | undefined {
  if (mine.line !== theirs.line) return 'first line';
  if (JSON.stringify(mine.headers) !== JSON.stringify(endToEnd(theirs))) return 'header';
  if (mine.isComplete !== theirs.isComplete) return 'completeness';
  if (mine.isComplete && mine.body !== theirs.body) return 'body';
  const trailers = theirs.trailers.filter(([name]) => !NOT_IN_TRAILERS.test(name));
  return JSON.stringify(mine.trailers) === JSON.stringify(trailers) ? undefined : 'trailers';
}

/** Returns every value of a field. */
export function valuesOf({ headers }: TakenMessage, name: string): string[] {
  return headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
}

const NOT_IN_TRAILERS =
  /^(content[-_]length|transfer[-_]encoding|te|host|connection|expect|upgrade|x[-_]auth[-_].*|cookie|trailer|keep-alive)$/i;
const HOP_BY_HOP =
  /^(connection|keep[-_]alive|proxy[-_]connection|transfer[-_]encoding|te|upgrade|http2[-_]settings)$/i;
const NEVER_NAMED = /^(host|content-length|date|expect)$/;
/** Names with `_` that some backends read as the ones that we obey. */
const MIMICS = /^(content_length|x_auth_subject)$/;

/** What an intermediary may pass on of a header. */
function endToEnd(message: TakenMessage): TakenMessage['headers'] {
  const named = valuesOf(message, 'connection').flatMap((value) =>
    value.toLowerCase().split(/[ \t]*,[ \t]*/),
  );
  return message.headers.filter(([name]) => {
    const key = name.toLowerCase();
    if (key === 'expect' && message.line.endsWith(' 1.0')) return false;
    return !HOP_BY_HOP.test(name) && (!named.includes(key) || NEVER_NAMED.test(key)) && !MIMICS.test(key);
  });
}
