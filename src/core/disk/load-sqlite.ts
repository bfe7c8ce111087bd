type Sqlite = typeof import('node:sqlite');

let loading: Promise<Sqlite> | undefined;

/** Loads Node's SQLite without the warning that Node 22 prints for it. All other warnings pass. */
export function loadSqlite(): Promise<Sqlite> {
  // Once, since two that put the same function aside at a time would not both put it back.
  loading ??= loadQuietly();
  return loading;
}

async function loadQuietly(): Promise<Sqlite> {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).startsWith('SQLite is an experimental feature')) emitWarning(warning, ...rest);
  }) as typeof emitWarning;
  try {
    return await import('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
