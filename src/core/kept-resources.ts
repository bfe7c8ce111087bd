interface Kept {
  readonly value: unknown;
  readonly close: () => void;
  holders: number;
}

/** A hold on something that is shared by content. */
export interface Hold<T> {
  /** What is shared. */
  readonly value: T;
  /** Gives it back. The last holder's release closes it. */
  release(): void;
}

/**
 * Keeps what must outlive one configuration, such as connection pools: who asks for the same key shares the same
 * thing, so that a reload which changes nothing about it finds it as it was.
 */
export class KeptResources {
  private readonly kept = new Map<string, Kept>();

  /** Finds what is kept under `key`, which must tell all that `create` depends on, or creates it. */
  hold<T>(key: string, create: () => T, close: (value: T) => void = () => {}): Hold<T> {
    const kept = this.kept.get(key) ?? this.add(key, create(), close);
    kept.holders++;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      if (--kept.holders > 0) return;
      this.kept.delete(key);
      kept.close();
    };
    return { value: kept.value as T, release };
  }

  private add<T>(key: string, value: T, close: (value: T) => void): Kept {
    const kept: Kept = { value, close: () => close(value), holders: 0 };
    this.kept.set(key, kept);
    return kept;
  }
}
