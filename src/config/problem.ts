/** One mistake in a configuration: where it is, what is wrong, and what to write instead. */
export interface Problem {
  /** Where in the configuration, such as `routes[2].policies[0].cors.origins`; empty for the file as a whole. */
  readonly path: string;
  /** The file, or `config` for a configuration that is a value. */
  readonly file: string;
  /** From 1; left out where there is no place. */
  readonly line?: number;
  /** From 1; left out where there is no place. */
  readonly column?: number;
  /** What is wrong there. */
  readonly message: string;
  /** What to write instead; empty where the message says it all. */
  readonly remedy: string;
}

/** The way from the root of a configuration to a place in it. */
export type ConfigPath = readonly PropertyKey[];

/** Writes a problem as one line: `file:line:column path: message — remedy`. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const path = problem.path === '' ? '' : ` ${problem.path}`;
  const remedy = problem.remedy === '' ? '' : ` — ${problem.remedy}`;
  return `${place}${path}: ${problem.message}${remedy}`;
}

/** A configuration that cannot be used, thrown where nothing can go on without one. */
export class ConfigError extends Error {
  /** All of them, in the order of the file. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Writes a path as people do: `routes[2].policies[0].cors.origins`. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[\w-]+$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`;
    else text += `[${JSON.stringify(String(key))}]`;
  }
  return text;
}

/** Splits `what is wrong — what to write instead`, the form in which schemas and checks word a problem. */
export function splitRemedy(text: string): { message: string; remedy: string | undefined } {
  const at = text.indexOf(' — ');
  if (at < 0) return { message: text, remedy: undefined };
  return { message: text.slice(0, at), remedy: text.slice(at + 3) };
}
