import { readBytes } from './read-bytes.ts';

/** The `code` of the error for a file that holds no text. */
export const NOT_TEXT = 'ERR_NOT_TEXT';

/**
 * Reads a file of UTF-8 text, without the byte order mark that some editors put in front.
 *
 * @throws the file system's error, or one whose `code` is `NOT_TEXT`: bytes that are not UTF-8 would be replaced one by
 * one, and what comes out would be neither the secret nor the key that was meant.
 */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw Object.assign(new Error(`${path} holds bytes that are not UTF-8 text`), { code: NOT_TEXT });
  }
}
