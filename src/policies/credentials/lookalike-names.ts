import { foldCode } from '../../core/field-kind.ts';

/**
 * The spellings of one field name that some services read as that name: any case, and `_` or another sign for `-`.
 * Asked about where they stand in a received head.
 */
export class LookalikeNames {
  private readonly name: string;
  private readonly isItselfMeant: boolean;

  /** `isItselfMeant`: whether the name as HTTP means it, in any case, is one of them. */
  constructor(name: string, isItselfMeant: boolean) {
    this.name = name;
    this.isItselfMeant = isItselfMeant;
  }

  /** Tells whether the name at `start…end` of `text` is one of them. */
  hasAt(text: string, start: number, end: number): boolean {
    const { name } = this;
    if (end - start !== name.length) return false;
    let isItself = true;
    for (let i = 0; i < name.length; i++) {
      const [code, own] = [text.charCodeAt(start + i), name.charCodeAt(i)];
      const folded = foldCode(code);
      if (folded !== foldCode(own)) return false;
      // Signs are all folded to one, letters by their case.
      if (folded === HYPHEN && code !== own) isItself = false;
    }
    return this.isItselfMeant || !isItself;
  }
}

const HYPHEN = 0x2d;
