import type { ConfigPath } from '../problem.ts';

/** A place in a file, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A mistake found before anything is known of the format's meaning. */
export interface DocumentFault {
  readonly path: ConfigPath;
  readonly position?: Position;
  /** What is wrong, with the remedy behind ' — '. */
  readonly text: string;
}

/** A configuration file as read: its plain data, and where each piece of it stands. */
export interface ConfigDocument {
  readonly data: unknown;
  readonly faults: readonly DocumentFault[];
  /** Whether `data` is worth looking at in spite of `faults`. */
  readonly isUsable: boolean;
  /** Finds where a value stands, or the nearest thing around it; `key` asks for the place of its key. */
  locate(path: ConfigPath, what?: 'key' | 'value'): Position | undefined;
}

/** Makes the document of a file that cannot be read as one. */
export function failedDocument(text: string, position?: Position): ConfigDocument {
  const fault = { path: [], text, ...(position ? { position } : {}) };
  return { data: undefined, faults: [fault], isUsable: false, locate: () => undefined };
}

/** Names the kind of a file-system error, such as `ENOENT`. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'error';
}
