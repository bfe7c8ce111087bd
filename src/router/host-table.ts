/** What belongs to each host: exact names first, then `*.` patterns from the longest, then what has no host. */
export class HostTable<V> {
  private readonly exact = new Map<string, V>();
  /** By what follows `*`: `.example.com`. */
  private readonly wildcards = new Map<string, V>();
  private fallback: V | undefined = undefined;

  /** Finds or makes what belongs to `host`, which is `undefined` for all hosts. */
  obtain(host: string | undefined, make: () => V): V {
    if (host === undefined) {
      this.fallback ??= make();
      return this.fallback;
    }
    const [table, key] = host.startsWith('*.')
      ? [this.wildcards, host.slice(1).toLowerCase()]
      : [this.exact, host.toLowerCase()];
    const value = table.get(key) ?? make();
    table.set(key, value);
    return value;
  }

  /** Asks `visit` from the most specific entry for `host` to the least, until it gives a result. */
  first<A, R>(host: string, visit: (value: V, argument: A) => R | undefined, argument: A): R | undefined {
    const exact = this.exact.size === 0 ? undefined : this.exact.get(host);
    const found = exact === undefined ? undefined : visit(exact, argument);
    if (found !== undefined) return found;
    if (this.wildcards.size > 0) {
      // `*` stands for one label or more, so every suffix that begins with a dot is tried, the longest first.
      for (let dot = host.indexOf('.', 1); dot > 0; dot = host.indexOf('.', dot + 1)) {
        const value = this.wildcards.get(host.slice(dot));
        const matched = value === undefined ? undefined : visit(value, argument);
        if (matched !== undefined) return matched;
      }
    }
    return this.fallback === undefined ? undefined : visit(this.fallback, argument);
  }
}
