/** Writes in a line what was thrown, which may be anything. Never throws. */
export function errorText(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'an error that cannot be read';
  }
}
