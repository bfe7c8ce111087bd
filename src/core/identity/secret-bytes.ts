/** The two ways to write a shared secret. */
export interface WrittenSecret {
  readonly secret?: string | undefined;
  readonly base64Secret?: string | undefined;
}

/** Gives the bytes of a shared secret, in whichever way it is written; base64 of either alphabet (RFC 4648 §4, §5). */
export function secretBytesOf({ secret, base64Secret }: WrittenSecret): Buffer | undefined {
  if (secret !== undefined) return Buffer.from(secret);
  return base64Secret === undefined ? undefined : Buffer.from(base64Secret, 'base64');
}

/** Whether a text was made of bytes that are none: each of them has become the same three. */
export function isLossyText(text: string): boolean {
  return text.includes('\ufffd');
}

/** Whether a text is base64 of either alphabet. */
export function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text);
}
