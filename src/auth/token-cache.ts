/** Characters of tokens that one half of a cache holds: some 8,000 usual tokens. */
const MAX_CHARS = 8 * 1024 * 1024;

interface Entry<Value> {
  readonly value: Value;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Remembers what came of tokens, each until its time, within bounds: once the young half is full it becomes the old
 * one, and what is asked for there moves back. So a hit writes nothing, and what is in use stays.
 */
export class TokenCache<Value> {
  private readonly maxChars: number;
  private young = new Map<string, Entry<Value>>();
  private old = new Map<string, Entry<Value>>();
  private chars = 0;

  constructor(maxChars = MAX_CHARS) {
    this.maxChars = maxChars;
  }

  /** Finds what is known of a token. `now` is in milliseconds since 1970. */
  get(token: string, now: number): Value | undefined {
    const entry = this.young.get(token);
    if (entry === undefined) return this.old.size === 0 ? undefined : this.getOld(token, now);
    if (now < entry.until) return entry.value;
    this.young.delete(token);
    this.chars -= token.length;
    return undefined;
  }

  set(token: string, value: Value, until: number): void {
    // A copy: a token that is cut out of a received head would keep all of that alive.
    this.add(Buffer.from(token, 'latin1').toString('latin1'), { value, until });
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
    this.chars = 0;
  }

  private getOld(token: string, now: number): Value | undefined {
    const entry = this.old.get(token);
    if (entry === undefined) return undefined;
    this.old.delete(token);
    if (now >= entry.until) return undefined;
    this.set(token, entry.value, entry.until);
    return entry.value;
  }

  private add(token: string, entry: Entry<Value>): void {
    if (this.chars + token.length > this.maxChars) {
      this.old = this.young;
      this.young = new Map();
      this.chars = 0;
    }
    if (!this.young.has(token)) this.chars += token.length;
    this.young.set(token, entry);
  }
}
