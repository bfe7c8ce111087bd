const EMPTY = Buffer.alloc(0);

/** What a connection has received and not worked off yet: `at…end` of `bytes`, which may be lent by the transport. */
export class ReceivedBytes {
  bytes: Buffer = EMPTY;
  at = 0;
  end = 0;
  /** Bytes of empty lines before the next request. */
  emptyLineBytes = 0;
  /** `bytes` as a copy of ours, where they had to wait. */
  private kept: Buffer | undefined = undefined;

  get isEmpty(): boolean {
    return this.at >= this.end;
  }

  /** Takes what was received last, behind what still waits. */
  add(bytes: Buffer, length: number): void {
    if (this.isEmpty) {
      this.bytes = bytes;
      this.end = length;
    } else {
      this.bytes = Buffer.concat([this.rest(), bytes.subarray(0, length)]);
      this.end = this.bytes.length;
    }
    this.at = 0;
  }

  /** Returns all that waits, and takes it as worked off. */
  takeAll(): Buffer {
    const rest = this.rest();
    this.drop();
    return rest;
  }

  /** Takes all as worked off. */
  drop(): void {
    this.at = this.end;
  }

  /** Takes CR and LF at the front as worked off. */
  skipEmptyLines(): void {
    const { bytes, at, end } = this;
    while (this.at < end && (bytes[this.at] === 0x0d || bytes[this.at] === 0x0a)) this.at++;
    this.emptyLineBytes += this.at - at;
  }

  /** Puts `bytes` in the place of all that waits. */
  replace(bytes: Buffer): void {
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
  }

  /** Copies what has to wait beyond the read that brought it. */
  keep(): void {
    if (this.bytes === this.kept) return;
    this.kept = Buffer.from(this.rest());
    this.bytes = this.kept;
    this.end = this.kept.length;
    this.at = 0;
  }

  /** Lets go of the bytes, all of which have been worked off. */
  clear(): void {
    this.bytes = EMPTY;
    this.kept = undefined;
    this.at = 0;
    this.end = 0;
  }

  private rest(): Buffer {
    return this.bytes.subarray(this.at, this.end);
  }
}
