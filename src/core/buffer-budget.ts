/** The bytes that all buffered bodies of one process may hold together. */
export class BufferBudget {
  readonly limitBytes: number;
  private usedBytes = 0;

  constructor(limitBytes = 256 * 1024 * 1024) {
    this.limitBytes = limitBytes;
  }

  /** Bytes held now. */
  get used(): number {
    return this.usedBytes;
  }

  /** Takes `bytes` if that many are left, and tells whether. */
  take(bytes: number): boolean {
    if (this.usedBytes + bytes > this.limitBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  /** Takes `bytes` though there may be no room, for what cannot be rejected any more. */
  takeAnyway(bytes: number): void {
    this.usedBytes += bytes;
  }

  /** Gives back what was taken. */
  release(bytes: number): void {
    this.usedBytes -= bytes;
  }
}
