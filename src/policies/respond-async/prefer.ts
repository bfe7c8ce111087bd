/** What a client prefers (RFC 7240), as far as it concerns when it is answered. */
export interface AsyncPreference {
  readonly respondAsync: boolean;
  /** Seconds that it would wait, `undefined` where it does not say. */
  readonly wait: number | undefined;
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;

/** Reads all `Prefer` fields of a request, joined by commas. What is malformed is no preference; the first of one name counts (RFC 7240 §2). */
export function readPreference(value: string): AsyncPreference {
  const preferences = new Map<string, string>();
  for (const member of splitOutsideQuotes(value, ',')) {
    const [main = ''] = splitOutsideQuotes(member, ';');
    const equals = main.indexOf('=');
    const name = (equals < 0 ? main : main.slice(0, equals)).trim().toLowerCase();
    const word = equals < 0 ? '' : main.slice(equals + 1).trim();
    if (NAME.test(name) && !preferences.has(name)) preferences.set(name, unquote(word));
  }
  const wait = preferences.get('wait') ?? '';
  return {
    // An empty value and none are the same; another one asks for something that we do not know.
    respondAsync: preferences.get('respond-async') === '',
    wait: /^\d{1,9}$/.test(wait) ? Number(wait) : undefined,
  };
}

function unquote(word: string): string {
  return word.startsWith('"') && word.endsWith('"') && word.length > 1
    ? word.slice(1, -1).replace(/\\(.)/g, '$1')
    : word;
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (isQuoted && character === '\\') i++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
