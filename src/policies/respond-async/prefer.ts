/** What a client prefers (RFC 7240), as far as it concerns when it is answered. */
export interface AsyncPreference {
  readonly respondAsync: boolean;
  /** Seconds that it would wait, `undefined` where it does not say. */
  readonly wait: number | undefined;
  /** Where it would be called, by OData's `callback; url="…"`; `undefined` where it does not say. */
  readonly callback: string | undefined;
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;

/** Reads all `Prefer` fields of a request, joined by commas. What is malformed is no preference; the first of one name counts (RFC 7240 §2). */
export function readPreference(value: string): AsyncPreference {
  const preferences = new Map<string, string>();
  let callback: string | undefined;
  for (const member of splitOutsideQuotes(value, ',')) {
    const [main, ...parameters] = splitOutsideQuotes(member, ';').map(readPair);
    if (main === undefined || !NAME.test(main.name) || preferences.has(main.name)) continue;
    preferences.set(main.name, main.word);
    if (main.name === 'callback') callback = parameters.find(({ name }) => name === 'url')?.word;
  }
  const wait = preferences.get('wait') ?? '';
  return {
    // An empty value and none are the same; another one asks for something that we do not know.
    respondAsync: preferences.get('respond-async') === '',
    wait: /^\d{1,9}$/.test(wait) ? Number(wait) : undefined,
    callback,
  };
}

function readPair(text: string): { readonly name: string; readonly word: string } {
  const equals = text.indexOf('=');
  const name = (equals < 0 ? text : text.slice(0, equals)).trim().toLowerCase();
  return { name, word: equals < 0 ? '' : unquote(text.slice(equals + 1).trim()) };
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
