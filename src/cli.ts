#!/usr/bin/env node
// Imports little but types at the top: on a Node too old for the rest, this file must load and say so.
import type { Command } from 'commander';
import type { LoadResult } from './config/load.ts';
import type { Problem } from './config/problem.ts';
import { explainOldNode } from './node-version/required-node.ts';
import type { LogDestination } from './observability/log-destination.ts';
import type { Runner } from './supervisor/create-runner.ts';

const DEFAULT_FILES = ['./sallyport.yaml', './sallyport.yml', './sallyport.json', './sallyport.ts'];

interface ConfigOption {
  readonly config?: string;
}

const oldNode = explainOldNode(process.versions.node);
if (oldNode === undefined) {
  await run(process.argv);
} else {
  console.error(oldNode);
  process.exitCode = 1;
}

async function run(argv: readonly string[]): Promise<void> {
  // Node would open its inspector, by which anybody on the machine reads memory and runs code.
  process.on('SIGUSR1', () => {});
  const [{ Command }, { VERSION }] = await Promise.all([import('commander'), import('./version.ts')]);
  const program = new Command('sallyport').description('An API gateway.').showHelpAfterError();
  program.version(VERSION, '-V, --version', 'prints the version');
  addConfigOption(program.command('start').description('Runs the gateway.'))
    .option(
      '-w, --workers <number>',
      'processes that serve, or `auto` (default: `workers` in the configuration)',
    )
    .option(
      '-l, --log-level <level>',
      'debug, info, warn, error or silent, for all parts (default: `logs` in the configuration)',
    )
    .action(start);
  addConfigOption(program.command('check').description('Names every mistake in a configuration.'))
    .argument('[file]', 'the configuration, as with --config')
    .action(check);
  program
    .command('init')
    .description('Writes a configuration to begin with.')
    .argument('[file]', 'the file to write', 'sallyport.yaml')
    .action(init);
  program
    .command('hash-password')
    .description('Reads a password from standard input and prints its hash, for the policy basic.')
    .action(async () => {
      const { printPasswordHash } = await import('./cli/hash-password.ts');
      await printPasswordHash(fail);
    });
  const [{ addKeysCommand }, { addCacheCommand }, { addHealthcheckCommand }, { addDoctorCommand }] =
    await Promise.all([
      import('./cli/keys.ts'),
      import('./cli/cache.ts'),
      import('./cli/healthcheck.ts'),
      import('./cli/doctor.ts'),
    ]);
  const commands = { addConfigOption, findConfig, reportFailure };
  addKeysCommand(program, commands);
  addCacheCommand(program, commands);
  addHealthcheckCommand(program, commands);
  addDoctorCommand(program, commands);
  await program.parseAsync(argv);
}

function addConfigOption(command: Command): Command {
  return command.option(
    '-c, --config <file>',
    `the configuration (default: the first of ${DEFAULT_FILES.join(', ')})`,
  );
}

interface StartOptions extends ConfigOption {
  readonly workers?: string;
  readonly logLevel?: string;
}

async function start({ config, workers: written, logLevel }: StartOptions): Promise<void> {
  const workers = written === undefined ? undefined : await parseWorkers(written);
  if (typeof workers === 'string') return fail(workers);
  const { LOG_LEVELS } = await import('./config/schema/logs-schema.ts');
  const level = LOG_LEVELS.find((each) => each === logLevel);
  if (level === undefined && logLevel !== undefined)
    return fail(`--log-level ${logLevel} is not a level: write ${LOG_LEVELS.join(', ')}`);
  const configFile = await findConfig(config);
  if (configFile === undefined) return;
  const { isatty } = await import('node:tty');
  const giveSignals = hearSignals(isatty(0) || isatty(1));
  try {
    const [{ allocateYoung }, { takeOverLookups }] = await Promise.all([
      import('./gateway/allocate-young.ts'),
      import('./core/network/name-lookup.ts'),
    ]);
    allocateYoung();
    takeOverLookups();
    const logDestination = await openLog();
    const { createRunner } = await import('./supervisor/create-runner.ts');
    const runner = await createRunner({
      configFile,
      env: process.env,
      workers,
      logDestination,
      ...(level !== undefined && { logLevel: level }),
    });
    giveSignals(runner);
    await runner.start();
  } catch (error) {
    await reportFailure(error);
    // Listeners or timers of a gateway that started halfway would keep the process alive.
    process.exit(1);
  }
}

/** Opens the log of this process, in which an error that ends it is told too. */
async function openLog(): Promise<LogDestination> {
  const [{ openLogDestination }, { endAtCrash }] = await Promise.all([
    import('./observability/log-destination.ts'),
    import('./observability/end-at-crash.ts'),
  ]);
  const destination = await openLogDestination();
  endAtCrash(destination);
  return destination;
}

/** Gives the number, or says what is wrong with it. */
async function parseWorkers(written: string): Promise<number | string> {
  const [{ availableParallelism }, { MAX_WORKERS }] = await Promise.all([
    import('node:os'),
    import('./config/schema/schema.ts'),
  ]);
  if (written === 'auto') return Math.min(availableParallelism(), MAX_WORKERS);
  if (/^[1-9]\d{0,2}$/.test(written) && Number(written) <= MAX_WORKERS) return Number(written);
  return `--workers ${written} is not a number of workers: write a whole number from 1 to ${MAX_WORKERS}, or auto`;
}

/** On a terminal no load balancer has to notice that the gateway ends, nor is a request on its way. */
const AT_ONCE = { delayMs: 0, gracePeriodMs: 0 };

/**
 * Hears signals from now on, and gives them to the gateway once there is one. Before that a signal to end ends the process,
 * which the system would not do for process 1 of a container, and one to reload waits.
 */
function hearSignals(hasTerminal: boolean): (gateway: Runner) => void {
  let gateway: Runner | undefined;
  let isClosing = false;
  let isReloadWanted = false;
  const stop = (times: typeof AT_ONCE | undefined) => {
    if (gateway === undefined) process.exit(0);
    if (isClosing) {
      gateway.kill();
      process.exit(1);
    }
    isClosing = true;
    gateway.close(times).then(
      () => process.exit(0),
      async (error: unknown) => {
        await reportFailure(error);
        process.exit(1);
      },
    );
  };
  // What came of a reload is logged by the gateway, whoever asked for it.
  const reload = () => {
    isReloadWanted = gateway === undefined;
    void gateway?.reload().catch(reportFailure);
  };
  process.on('SIGTERM', () => stop(undefined));
  process.on('SIGINT', () => stop(hasTerminal ? AT_ONCE : undefined));
  process.on('SIGHUP', reload);
  return (made) => {
    gateway = made;
    if (isReloadWanted) reload();
  };
}

async function reportFailure(error: unknown): Promise<void> {
  const { ConfigError } = await import('./config/problem.ts');
  if (error instanceof ConfigError) return reportProblems(error.problems);
  console.error(error instanceof Error ? error.message : String(error));
}

async function check(argument: string | undefined, { config }: ConfigOption): Promise<void> {
  if (argument !== undefined && config !== undefined)
    return fail(`There are two configurations, ${argument} and ${config}. Name one of them.`);
  const file = await findConfig(argument ?? config);
  if (file === undefined) return;
  const [{ loadConfig }, { builtInPolicies }, { checkCertificates }] = await Promise.all([
    import('./config/load.ts'),
    import('./policies/index.ts'),
    import('./cli/check-certificates.ts'),
  ]);
  const result = await loadConfig(file, { policies: builtInPolicies, env: process.env });
  const certificates = result.ok ? await checkCertificates(file, result) : undefined;
  const problems = result.ok ? (certificates?.problems ?? []) : result.problems;
  if (result.ok) await reportProblems([...result.warnings, ...(certificates?.warnings ?? [])], 'warning: ');
  await reportProblems(problems);
  if (result.ok && problems.length === 0) console.log(summarise(file, result));
  else process.exitCode = 1;
}

async function reportProblems(problems: readonly Problem[], prefix = ''): Promise<void> {
  const { formatProblem } = await import('./config/problem.ts');
  for (const problem of problems) console.error(prefix + formatProblem(problem));
}

function summarise(file: string, { config }: LoadResult & { ok: true }): string {
  const parts = [
    count(config.listeners.length, 'listener'),
    count(config.routes.length, 'route'),
    count(Object.keys(config.upstreams).length, 'upstream'),
  ];
  return `${file} is good: ${parts.join(', ')}.`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

async function init(file: string): Promise<void> {
  const [{ writeFile }, { dirname, relative, resolve }, { fileURLToPath }, { starterConfig }] =
    await Promise.all([
      import('node:fs/promises'),
      import('node:path'),
      import('node:url'),
      import('./config/starter.ts'),
    ]);
  if (!/\.ya?ml$/.test(file)) return fail(`${file}: the starter configuration is YAML, so name it .yaml`);
  const schema = fileURLToPath(new URL('../schema/sallyport.schema.json', import.meta.url));
  const schemaPath = relative(dirname(resolve(file)), schema).replaceAll('\\', '/');
  try {
    await writeFile(file, starterConfig(schemaPath.startsWith('.') ? schemaPath : `./${schemaPath}`), {
      flag: 'wx',
    });
  } catch (error) {
    return fail(`${file} ${explainUnwritten((error as { code?: string }).code)}`);
  }
  console.log(`Wrote ${file}. Next: sallyport start --config ${file}`);
}

function explainUnwritten(code = 'error'): string {
  if (code === 'EEXIST') return 'is there already; it was left as it is';
  const remedy = code === 'ENOENT' ? 'make its folder first' : 'name a file that you may write';
  return `cannot be written (${code}): ${remedy}`;
}

async function findConfig(named: string | undefined): Promise<string | undefined> {
  if (named !== undefined) return named;
  const { existsSync } = await import('node:fs');
  const found = DEFAULT_FILES.find((file) => existsSync(file));
  if (found === undefined)
    fail(`There is no ${DEFAULT_FILES.join(', ')} here. Name one with --config, or run: sallyport init`);
  return found;
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
