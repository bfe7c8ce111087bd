import type { Command } from 'commander';
import type { ConfigCommands } from './keys.ts';
import type { CacheAction, PurgeOptions } from './run-cache.ts';

interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds `sallyport cache` and `sallyport cache purge`, which ask the gateway that runs here. */
export function addCacheCommand(program: Command, commands: ConfigCommands): void {
  const cache = program
    .command('cache')
    .description('Shows how the cache of the gateway does, and purges it.');

  const run = async ({ config, json = false }: CommonOptions, action: CacheAction): Promise<void> => {
    const file = await commands.findConfig(config);
    if (file === undefined) return;
    try {
      const { runCache } = await import('./run-cache.ts');
      await runCache(file, json, action);
    } catch (error) {
      await commands.reportFailure(error);
      process.exitCode = 1;
    }
  };
  commands
    .addConfigOption(
      cache.command('show', { isDefault: true }).description('Shows what is stored, and hits by route.'),
    )
    .option('--json', 'prints JSON')
    .action((options: CommonOptions) => run(options, { kind: 'show' }));
  commands
    .addConfigOption(
      cache.command('purge').description('Forgets stored responses, in all workers and gateways.'),
    )
    .option('--url <url>', 'a URL, with or without https://, in all its variants')
    .option('--prefix <prefix>', 'all URLs that begin so, such as api.example.com/orders/')
    .option('--tag <tag>', 'all responses with this tag')
    .option('--all', 'all there is')
    .option('--soft', 'takes them for stale, instead of forgetting them')
    .option('--json', 'prints JSON')
    .action((options: CommonOptions & PurgeOptions) => run(options, { kind: 'purge', options }));
}
