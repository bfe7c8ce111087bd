import { type Argument, Command, type Option } from 'commander';

/** Writes the reference of the command line, a section for each command, from what commander knows of them. */
export async function writeCliReference(): Promise<string[]> {
  const program = await readProgram();
  return [
    'What `sallyport --help` and `sallyport COMMAND --help` say. Exit code 0 is good, 1 is not, with the reasons on standard error.',
    '',
    ...describeCommand(program, []),
  ];
}

/** Takes the commands from the program where it would begin to parse, since it runs when it is imported. */
async function readProgram(): Promise<Command> {
  const { parseAsync } = Command.prototype;
  let found: Command | undefined;
  Command.prototype.parseAsync = async function (this: Command) {
    found = this;
    return this;
  };
  try {
    await import('../src/cli.ts');
  } finally {
    Command.prototype.parseAsync = parseAsync;
  }
  if (found === undefined) throw new Error('src/cli.ts parses no arguments');
  return found;
}

function describeCommand(command: Command, parents: readonly string[]): string[] {
  const names = [...parents, command.name()];
  const own = command.commands.length === 0 ? usageOf(command, names) : [];
  const inner = command.commands.flatMap((each) => describeCommand(each, names));
  const head = parents.length === 0 ? [] : [`## \`${names.join(' ')}\``, '', command.description(), ''];
  return [...head, ...own, ...optionsOf(command, parents.length === 0), ...inner];
}

function usageOf(command: Command, names: readonly string[]): string[] {
  const args = command.registeredArguments.map(describeArgument);
  const usage = [...names, ...args.map(({ usage: each }) => each), '[options]'].join(' ');
  const rows = args.map(({ row }) => row).filter((row) => row !== undefined);
  return ['```sh', usage, '```', '', ...table('argument', rows)];
}

function describeArgument(argument: Argument): { usage: string; row: string | undefined } {
  const usage = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
  const { description, defaultValue } = argument;
  const row =
    description === '' ? undefined : rowOf(argument.name(), description, defaultValue, argument.required);
  return { usage, row };
}

function optionsOf(command: Command, isProgram: boolean): string[] {
  const rows = command.options.map(({ flags, description, defaultValue, mandatory }: Option) =>
    rowOf(flags, description, defaultValue, mandatory),
  );
  return rows.length === 0 ? [] : [...(isProgram ? ['## `sallyport`', ''] : []), ...table('option', rows)];
}

function table(what: string, rows: readonly string[]): string[] {
  return rows.length === 0 ? [] : [`| ${what} | meaning | default |`, '|---|---|---|', ...rows, ''];
}

function rowOf(name: string, description: string, fallback: unknown, isRequired: boolean): string {
  const isShown = fallback !== undefined && fallback !== false;
  const last = isShown ? `\`${String(fallback)}\`` : isRequired ? 'required' : '';
  return `| \`${name.replaceAll('|', '\\|')}\` | ${description.replaceAll('|', '\\|')} | ${last} |`;
}
