const MAX_CHARS = 64;
const OTHER = 'other';

/** The values that a label may have: the first ones that come, up to a number, then `other` for all that are new. */
export class BoundedLabels {
  private readonly known = new Set<string>();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** Gives the label for a value, which callers may have had a hand in. */
  of(value: string | undefined): string {
    if (value === undefined) return '';
    const label = value.length > MAX_CHARS ? value.slice(0, MAX_CHARS) : value;
    if (this.known.has(label)) return label;
    if (this.known.size >= this.max) return OTHER;
    this.known.add(label);
    return label;
  }
}
