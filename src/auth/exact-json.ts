/** What may be beyond the numbers of JavaScript: many digits, or an exponent. Also in texts, which costs a closer look. */
const MAYBE_INEXACT = /\d{16}|\d[eE]/;
/** Points in time, of which a part of a microsecond may be lost: no caller is told apart by it. */
const TIMES: ReadonlySet<string> = new Set(['exp', 'nbf', 'iat', 'auth_time', 'updated_at']);

/**
 * Parses JSON. A number that JavaScript would read as another one becomes NaN, which equals nothing. Throws
 * `SyntaxError` as `JSON.parse` does.
 */
export function parseExactJson(text: string): unknown {
  return MAYBE_INEXACT.test(text) ? JSON.parse(text, exactly) : JSON.parse(text);
}

function exactly(
  this: unknown,
  key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  if (typeof value !== 'number' || TIMES.has(key)) return value;
  const { source } = context ?? {};
  return source !== undefined && isRead(source, value) ? value : Number.NaN;
}

function isRead(source: string, value: number): boolean {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return false;
  // As many digits as every double keeps.
  if (source.length <= 15 && Math.abs(value) > 1e-300) return true;
  const written = String(value);
  return source === written || decimalOf(source) === decimalOf(written);
}

/** Writes a decimal number in one way: sign, digits without zeros at the ends, and the power of ten of the last one. */
function decimalOf(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const end = lastDigit(digits);
  if (end === 0) return '0';
  const power = Number(exponent) - fraction.length + digits.length - end;
  return `${text.startsWith('-') ? '-' : ''}${digits.slice(0, end)}e${power}`;
}

/** Where the zeros at the end begin. A pattern for them would try at each one. */
function lastDigit(digits: string): number {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end--;
  return end;
}
