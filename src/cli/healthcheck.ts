import { get } from 'node:http';
import type { Command } from 'commander';
import type { ConfigCommands } from './keys.ts';

const TIMEOUT_MS = 3000;

/** Adds `sallyport healthcheck`, for containers without a shell or curl. */
export function addHealthcheckCommand(program: Command, commands: ConfigCommands): void {
  commands
    .addConfigOption(
      program.command('healthcheck').description('Asks the gateway that runs here whether it is well.'),
    )
    .option('--ready', 'asks whether requests should be sent to it (/readyz), not only whether it lives')
    .action(async ({ config, ready }: { config?: string; ready?: true }) => {
      const file = await commands.findConfig(config);
      if (file === undefined) return;
      try {
        const { findOperatorAddress } = await import('../config/operator-address.ts');
        await expectOk(await findOperatorAddress(file, process.env), ready === true ? '/readyz' : '/healthz');
      } catch (error) {
        await commands.reportFailure(error);
        process.exitCode = 1;
      }
    });
}

/** Rejects with an `Error` that tells what came instead of a 200. */
function expectOk(address: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // By its address in `Host`, which every admin port takes.
    const options = { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
    get(`http://${address}${path}`, options, (response) => {
      response.resume();
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`http://${address}${path} answered ${response.statusCode}`));
      });
    }).on('error', (error: NodeJS.ErrnoException) => {
      const isOverdue = error.name === 'AbortError' || error.name === 'TimeoutError';
      const why = isOverdue ? `no response within ${TIMEOUT_MS / 1000} s` : (error.code ?? error.message);
      reject(new Error(`http://${address}${path} cannot be reached: ${why}`));
    });
  });
}
