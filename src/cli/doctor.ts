import type { Command } from 'commander';
import type { ConfigCommands } from './keys.ts';

/** Adds `sallyport doctor`. What does the work is loaded when it runs. */
export function addDoctorCommand(program: Command, commands: ConfigCommands): void {
  commands
    .addConfigOption(
      program
        .command('doctor')
        .description('Looks at this machine and at a configuration as it will run, and says what to mend.'),
    )
    .option('--json', 'prints JSON')
    .action(async ({ config, json }: { config?: string; json?: true }) => {
      const file = await commands.findConfig(config);
      if (file === undefined) return;
      const { formatFindings, runDoctor } = await import('./doctor/run-doctor.ts');
      const findings = await runDoctor(file, { env: process.env });
      const hasProblem = findings.some(({ verdict }) => verdict === 'problem');
      const text = json ? JSON.stringify({ ok: !hasProblem, findings }, null, 2) : formatFindings(findings);
      // A look that was given up may still hold something open.
      process.stdout.write(`${text}\n`, () => process.exit(hasProblem ? 1 : 0));
    });
}
