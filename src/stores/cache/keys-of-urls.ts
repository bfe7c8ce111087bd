/** The keys under which the resources of a URL are stored. Most URLs have one, which then needs no set of its own. */
export class KeysOfUrls {
  private readonly keys = new Map<string, string | Set<string>>();

  of(url: string): readonly string[] {
    const known = this.keys.get(url);
    if (known === undefined) return [];
    return typeof known === 'string' ? [known] : [...known];
  }

  add(url: string, key: string): void {
    const known = this.keys.get(url);
    if (known === undefined) this.keys.set(url, key);
    else if (typeof known !== 'string') known.add(key);
    else if (known !== key) this.keys.set(url, new Set([known, key]));
  }

  delete(url: string, key: string): void {
    const known = this.keys.get(url);
    if (known === key) this.keys.delete(url);
    else if (known instanceof Set && known.delete(key) && known.size === 0) this.keys.delete(url);
  }
}
