interface Shared {
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
export class SharedResources {
  private readonly shared = new Map<string, Shared>();

  /** Finds what is kept under `key`, which must tell all that `create` depends on, or creates it. */
  hold<T>(key: string, create: () => T, close: (value: T) => void = () => {}): Hold<T> {
    const shared = this.shared.get(key) ?? this.add(key, create(), close);
    shared.holders++;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      if (--shared.holders > 0) return;
      this.shared.delete(key);
      shared.close();
    };
    return { value: shared.value as T, release };
  }

  private add<T>(key: string, value: T, close: (value: T) => void): Shared {
    const shared: Shared = { value, close: () => close(value), holders: 0 };
    this.shared.set(key, shared);
    return shared;
  }
}
