/** Writes in a line what was thrown, which may be anything. Never throws. */
export function errorText(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'an error that cannot be read';
  }
}

/** Writes what was thrown with the code of its cause, where the error itself says no more than `fetch failed`. */
export function problemOf(thrown: unknown): string {
  const text = errorText(thrown);
  try {
    const { code } = Object((thrown as Error | undefined)?.cause) as { code?: unknown };
    return typeof code === 'string' ? `${text} (${code})` : text;
  } catch {
    return text;
  }
}
