import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** Reads a password from standard input, unseen on a terminal, and prints its hash for the policy `basic`. */
export async function printPasswordHash(fail: (message: string) => void): Promise<void> {
  const { hashPassword } = await import('../policies/basic/password-hash.ts');
  const password = await readPassword();
  if (password === '') return fail('There is no password on standard input.');
  console.log(await hashPassword(password));
}

async function readPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY === true;
  if (isTerminal) process.stderr.write('Password: ');
  // What is typed is echoed to the output, so that one takes it and shows nothing.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output, terminal: isTerminal });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
    if (isTerminal) process.stderr.write('\n');
  }
}
