/** Characters of tokens that one half of a cache holds: some 8,000 usual tokens. */
const MAX_CHARS = 8 * 1024 * 1024;
/** As many as the shortest signature has: enough to tell tokens apart, and a twentieth of the hashing. */
const KEY_CHARS = 43;

interface Entry<Value> {
  readonly token: string;
  readonly value: Value;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Remembers what came of tokens, each until its time, within bounds: once the young half is full it becomes the old
 * one, and what is asked for there moves back. So a hit writes nothing, and what is in use stays.
 *
 * Tokens are looked up by their end and then compared as a whole: only the very same token is found.
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
    const key = keyOf(token);
    const entry = this.young.get(key);
    if (entry?.token === token) return now < entry.until ? entry.value : undefined;
    return this.old.size === 0 ? undefined : this.getOld(key, token, now);
  }

  set(token: string, value: Value, until: number): void {
    // A copy: a token that is cut out of a received head would keep all of that alive.
    this.add({ token: Buffer.from(token, 'latin1').toString('latin1'), value, until });
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
    this.chars = 0;
  }

  private getOld(key: string, token: string, now: number): Value | undefined {
    const entry = this.old.get(key);
    if (entry?.token !== token || now >= entry.until) return undefined;
    this.old.delete(key);
    this.add(entry);
    return entry.value;
  }

  private add(entry: Entry<Value>): void {
    if (this.chars + entry.token.length > this.maxChars) {
      this.old = this.young;
      this.young = new Map();
      this.chars = 0;
    }
    const key = keyOf(entry.token);
    const replaced = this.young.get(key);
    this.chars += entry.token.length - (replaced?.token.length ?? 0);
    this.young.set(key, entry);
  }
}

function keyOf(token: string): string {
  return token.length <= KEY_CHARS ? token : token.slice(-KEY_CHARS);
}
