/** A fixed set of field names, whatever their case, asked about where they stand in a received head. */
export class NameSet {
  /** By length, since that alone rules out nearly every other name. */
  private readonly byLength: (readonly string[] | undefined)[] = [];

  constructor(names: Iterable<string>) {
    for (const name of names) {
      this.byLength[name.length] = [...(this.byLength[name.length] ?? []), name.toLowerCase()];
    }
  }

  /** Tells whether the name at `start…end` of `text` is one of the set. */
  hasAt(text: string, start: number, end: number): boolean {
    const candidates = this.byLength[end - start];
    if (candidates === undefined) return false;
    for (let i = 0; i < candidates.length; i++) {
      if (spells(text, start, candidates[i] as string)) return true;
    }
    return false;
  }
}

function spells(text: string, start: number, lowerName: string): boolean {
  for (let i = 0; i < lowerName.length; i++) {
    const code = text.charCodeAt(start + i);
    const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (lower !== lowerName.charCodeAt(i)) return false;
  }
  return true;
}
