/** What is wrong with a template or condition as it is written: the message carries the remedy behind ' — '. */
export class TemplateError extends Error {
  /** Where, counted from 1. */
  readonly column: number;

  constructor(message: string, column: number) {
    super(message);
    this.name = 'TemplateError';
    this.column = column;
  }
}

/** Runs what compiles a template and says what is wrong with it, with its column, or nothing. */
export function findFault(compile: () => unknown): string | undefined {
  try {
    compile();
    return undefined;
  } catch (error) {
    if (error instanceof TemplateError) return describeFault(error);
    throw error;
  }
}

/** Says what is wrong with a template, with its column, and the remedy behind ' — '. */
export function describeFault({ message, column }: TemplateError): string {
  const [what, remedy] = message.split(' — ');
  return `${what}, at character ${column} — ${remedy}`;
}

/** Why a template gives nothing for a request: what it refers to is not there, or does not fit its place. */
export class UnfilledError extends Error {
  /** What it refers to, such as `parts.user.body.id`. */
  readonly reference: string;
  /** The part that it refers to, `undefined` where it is the request. */
  readonly part: string | undefined;

  constructor(reference: string, part: string | undefined, why: string) {
    super(`${reference} ${why}`);
    this.name = 'UnfilledError';
    this.reference = reference;
    this.part = part;
  }
}
