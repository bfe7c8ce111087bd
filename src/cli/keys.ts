import type { Command } from 'commander';
import type { KeySettings, KeysAction } from './run-keys.ts';

/** What the command line knows of configurations. */
export interface ConfigCommands {
  addConfigOption(command: Command): Command;
  /** Finds the configuration, or says that there is none. */
  findConfig(named: string | undefined): Promise<string | undefined>;
  reportFailure(error: unknown): Promise<void>;
}

interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds `sallyport keys …`. What does the work is loaded when one of them runs. */
export function addKeysCommand(program: Command, commands: ConfigCommands): void {
  const keys = program.command('keys').description('Makes, shows, changes and deletes API keys.');

  const run = async ({ config, json = false }: CommonOptions, action: KeysAction): Promise<void> => {
    const file = await commands.findConfig(config);
    if (file === undefined) return;
    try {
      const { runKeys } = await import('./run-keys.ts');
      await runKeys(file, json, action);
    } catch (error) {
      await commands.reportFailure(error);
      process.exitCode = 1;
    }
  };
  const add = (usage: string, description: string): Command =>
    commands.addConfigOption(keys.command(usage).description(description)).option('--json', 'prints JSON');

  addCreate(add, run);
  add('list', 'Shows all keys.').action((options: CommonOptions) => run(options, { kind: 'list' }));
  add('show <id>', 'Shows one key.').action((id: string, options: CommonOptions) =>
    run(options, { kind: 'show', id }),
  );
  add('rotate <id>', 'Makes a new key of the same id, beside which the old one goes on for a while.')
    .option('--grace <duration>', 'how long the old one goes on', '24h')
    .action((id: string, options: CommonOptions & { grace: string }) =>
      run(options, { kind: 'rotate', id, grace: options.grace }),
    );
  add('expire <id>', 'Says when a key ends.')
    .option('--expires <when>', 'now, never, a time such as 2027-01-31T00:00:00Z, or from now: 30d', 'now')
    .action((id: string, options: CommonOptions & { expires: string }) =>
      run(options, { kind: 'expire', id, expires: options.expires }),
    );
  add('disable <id>', 'Rejects a key until it is enabled again.').action(
    (id: string, options: CommonOptions) => run(options, { kind: 'disable', id }),
  );
  add('enable <id>', 'Takes a disabled key again.').action((id: string, options: CommonOptions) =>
    run(options, { kind: 'enable', id }),
  );
  add('delete <id>', 'Deletes a key for good.').action((id: string, options: CommonOptions) =>
    run(options, { kind: 'delete', id }),
  );
}

function addCreate(
  add: (usage: string, description: string) => Command,
  run: (options: CommonOptions, action: KeysAction) => Promise<void>,
): void {
  const list = (value: string, before: readonly string[] = []): string[] => [...before, value];
  add('create', 'Makes a key and shows it, this once.')
    .requiredOption('--owner <name>', 'whom it is for: the subject that services get')
    .option('--role <role>', 'a role; may stand several times', list)
    .option('--permission <permission>', 'a permission; may stand several times', list)
    .option('--plan <plan>', 'what the owner has bought')
    .option('--route <id>', 'a route that it opens, others then not; may stand several times', list)
    .option('--ip <range>', 'where it may come from, nowhere else then; may stand several times', list)
    .option('--expires <when>', 'a time such as 2027-01-31T00:00:00Z, or from now: 30d')
    .option('--metadata <json>', 'more about it, as a JSON object')
    .action((options: CommonOptions & KeySettings) => run(options, { kind: 'create', settings: options }));
}
