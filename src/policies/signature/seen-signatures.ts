import { createHash } from 'node:crypto';

/** Signatures of the last while: some 40 MB when full. */
const MAX_SEEN = 500_000;

/**
 * Remembers signatures until they are too old to be good, so that each is good once. In two generations, so that
 * forgetting costs nothing: one that is full grown is dropped as a whole.
 */
export class SeenSignatures {
  private readonly keptForMs: number;
  private young = new Set<string>();
  private old = new Set<string>();
  private bornAt = Number.NEGATIVE_INFINITY;

  /** `keptForMs` is how long a signature can be good. */
  constructor(keptForMs: number) {
    this.keptForMs = keptForMs;
  }

  /** Notes a signature. Tells whether it is new, or that nobody can say since there are too many. */
  note(signature: string, now: number): 'new' | 'seen' | 'full' {
    this.age(now);
    // Hashed, so that what a client chose takes no more memory than anything else.
    const name = createHash('sha256').update(signature).digest('base64').slice(0, 27);
    if (this.young.has(name) || this.old.has(name)) return 'seen';
    if (this.young.size + this.old.size >= MAX_SEEN) return 'full';
    this.young.add(name);
    return 'new';
  }

  private age(now: number): void {
    const age = now - this.bornAt;
    if (age < this.keptForMs) return;
    this.old = age < 2 * this.keptForMs ? this.young : new Set();
    this.young = new Set();
    this.bornAt = now;
  }
}
