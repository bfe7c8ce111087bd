import { asFields, asList, type Fields } from '../../findings.ts';
import type { PatternSegment } from '../../schema/path-pattern.ts';

/** Another spelling of a route's path, which some services take for the same. */
export interface Respelling {
  /** As a request with it is matched. */
  readonly segments: readonly string[];
  /** For a message: parameters by their names. */
  readonly shown: string;
  /** What makes the route take it, or rejects it, if anything does. */
  readonly remedy: string | undefined;
}

/** Which spellings reach routes, by what the listeners let through. */
export interface ListenerSpellings {
  readonly keepsSlashes: boolean;
  readonly doubleEncoded: boolean;
  readonly slash: boolean;
  readonly backslash: boolean;
  readonly semicolon: boolean;
  readonly nul: boolean;
}

/** Stands for what a parameter or `*` takes: no route has it as text. */
const ANY = '~';
const CASE_REMEDY = 'caseSensitive: false';
const SLASH_REMEDY = 'trailingSlash: same';
const DOUBLE_REMEDY = 'doubleEncoded: false in allowEncoded of the listeners';

/** Reads which spellings some listener lets through. */
export function readListenerSpellings(listeners: unknown): ListenerSpellings {
  const rules = asList(listeners).map(asFields);
  const allows = (key: string): boolean => rules.some((rule) => asFields(rule.allowEncoded)[key] === true);
  return {
    keepsSlashes: rules.some((rule) => rule.mergeSlashes === false),
    doubleEncoded: rules.some((rule: Fields) => asFields(rule.allowEncoded).doubleEncoded !== false),
    slash: allows('slash'),
    backslash: allows('backslash'),
    semicolon: allows('semicolon'),
    nul: allows('nul'),
  };
}

/** Lists other spellings of a path: of its letters, its end, its slashes and dots, and what is cut off by some servers. */
export function respell(pattern: readonly PatternSegment[], listeners: ListenerSpellings): Respelling[] {
  const path = new SpelledPath(pattern);
  const spellings = [...respellCase(path), ...respellEnd(path)];
  if (listeners.doubleEncoded) spellings.push(...path.withLetters(encodeTwice, DOUBLE_REMEDY));
  if (listeners.semicolon) spellings.push(...path.withLetters((text) => `${text};x=1`));
  if (listeners.nul) spellings.push(...path.withLetters((text) => `${text}%00`));
  if (listeners.keepsSlashes) spellings.push(...path.withEmptySegments());
  if (listeners.slash) spellings.push(...path.joined('%2F'));
  if (listeners.backslash) spellings.push(...path.joined('%5C'));
  return spellings;
}

function respellCase(path: SpelledPath): Respelling[] {
  return path.withLetters(otherCase, CASE_REMEDY);
}

/** With a slash more or less; with what Windows cuts off, and what frameworks take for a format. */
function respellEnd(path: SpelledPath): Respelling[] {
  const { texts, shown, isPrefix } = path;
  const last = texts.length - 1;
  const spellings: Respelling[] = [];
  if (!isPrefix && texts[last] === '') {
    if (last > 0) spellings.push(make(texts.slice(0, -1), shown.slice(0, -1), SLASH_REMEDY));
  } else if (!isPrefix) spellings.push(make([...texts, ''], [...shown, ''], SLASH_REMEDY));
  const end = isPrefix ? last - 1 : last;
  if (!path.isText(end)) return spellings;
  for (const suffix of ['.', '.json']) {
    const [own, ownShown] = [texts.slice(0, end + 1), shown.slice(0, end + 1)];
    own[end] += suffix;
    ownShown[end] += suffix;
    spellings.push(make(own, ownShown));
  }
  return spellings;
}

/** A route's path as requests spell it. */
class SpelledPath {
  readonly texts: readonly string[];
  readonly shown: readonly string[];
  readonly isPrefix: boolean;
  private readonly pattern: readonly PatternSegment[];

  constructor(pattern: readonly PatternSegment[]) {
    this.pattern = pattern;
    this.texts = pattern.map((segment) => (segment.kind === 'static' ? segment.text : ANY));
    this.shown = pattern.map((segment) => {
      if (segment.kind === 'rest') return '*';
      return segment.kind === 'param' ? `:${segment.name}` : segment.text;
    });
    this.isPrefix = pattern.at(-1)?.kind === 'rest';
  }

  isText(index: number): boolean {
    const segment = this.pattern[index];
    return segment?.kind === 'static' && segment.text !== '';
  }

  /** One spelling for each literal segment with letters, the last one first. */
  withLetters(change: (text: string) => string, remedy?: string): Respelling[] {
    return this.pattern.flatMap((_, i) => {
      const at = this.pattern.length - 1 - i;
      const text = this.texts[at] as string;
      if (!this.isText(at) || !/[a-z]/i.test(text)) return [];
      const changed = change(text);
      return make(this.texts.with(at, changed), this.shown.with(at, changed), remedy);
    });
  }

  withEmptySegments(): Respelling[] {
    return this.texts.map((_, at) =>
      make(this.texts.toSpliced(at, 0, ''), this.shown.toSpliced(at, 0, ''), 'mergeSlashes: true'),
    );
  }

  /** Two neighbours as one segment, by what some servers take for a slash. */
  joined(by: string): Respelling[] {
    return this.texts.slice(1).map((_, at) => {
      const join = (texts: readonly string[]) => texts.toSpliced(at, 2, `${texts[at]}${by}${texts[at + 1]}`);
      return make(join(this.texts), join(this.shown));
    });
  }
}

function make(segments: readonly string[], shown: readonly string[], remedy?: string): Respelling {
  return { segments, shown: `/${shown.join('/')}`, remedy };
}

/** Percent forms stay in capitals, as they are always spelt. */
function otherCase(text: string): string {
  const change = (upper: boolean) =>
    text.replace(/%[0-9A-F]{2}|[a-z]/gi, (part) => {
      if (part.startsWith('%')) return part;
      return upper ? part.toUpperCase() : part.toLowerCase();
    });
  const upper = change(true);
  return upper === text ? change(false) : upper;
}

function encodeTwice(text: string): string {
  return text.replace(/(?<!%|%[0-9A-F])[a-z]/i, (letter) => `%25${letter.charCodeAt(0).toString(16)}`);
}
