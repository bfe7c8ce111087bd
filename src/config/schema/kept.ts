/** Gives what `make` makes of a key, made once for as long as nobody needs the memory. */
export function kept<Key extends WeakKey, Value extends WeakKey>(
  make: (key: Key) => Value,
): (key: Key) => Value {
  const made = new WeakMap<Key, WeakRef<Value>>();
  return (key) => {
    const found = made.get(key)?.deref();
    if (found !== undefined) return found;
    const value = make(key);
    made.set(key, new WeakRef(value));
    return value;
  };
}
