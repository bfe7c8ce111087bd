/** What JSON escapes, and whatever is not plain ASCII, whose control characters need a look. */
const NOT_PLAIN = /["\\\u0000-\u001f\u007f-\uffff]/;
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g;
const MAX_NAMES = 1000;
const names = new Map<string, string>();

/** Writes `value` as JSON in which control characters are escaped, also those that JSON allows. */
export function toJson(value: unknown, replacer?: (key: string, value: unknown) => unknown): string {
  const json = JSON.stringify(value ?? null, replacer);
  return json.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Writes a string as JSON; quick where nothing in it needs an escape. */
export function quote(text: string): string {
  return NOT_PLAIN.test(text) ? toJson(text) : `"${text}"`;
}

/** Writes a string that comes again and again, such as a route's id, as JSON: remembered, so quicker than `quote`. */
export function quoteName(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  const quoted = quote(name);
  // Host names come from clients, who may make up any number of them.
  if (names.size >= MAX_NAMES) names.clear();
  names.set(name, quoted);
  return quoted;
}

/** Thousandths as decimals, made once: writing a fraction costs more than all else in a line of the access log. */
const DECIMALS: readonly string[] = Array.from({ length: 1000 }, (_, i) =>
  i === 0 ? '' : `.${String(i).padStart(3, '0')}`,
);

/** Writes a duration in milliseconds to the microsecond. A negative one, as no clock should give, is 0. */
export function millisecondsText(duration: number): string {
  const micros = Math.max(0, Math.round(duration * 1000));
  const whole = Math.floor(micros / 1000);
  return whole + (DECIMALS[micros - whole * 1000] as string);
}

const LAST_DIGITS: readonly string[] = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));
let lastSecond = -1;
let lastSecondText = '';

/** Writes a time in milliseconds since 1970, making its first digits once a second. */
export function timeText(time: number): string {
  const whole = Math.floor(time);
  const second = Math.floor(whole / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastSecondText = String(second);
  }
  return lastSecondText + (LAST_DIGITS[whole - second * 1000] as string);
}
