import { expect, it } from 'vitest';
import { loadText } from './load-text.ts';

async function warningsOf(admin: string): Promise<string[]> {
  const result = await loadText(`listeners: [{ port: 0 }]\nadmin: { ${admin} }\n`, {
    env: { TOKEN: 'q7-Xm2' },
  });
  return result.ok ? result.warnings.map(({ path, message }) => `${path}: ${message}`) : ['not good'];
}

it('an admin token that could be guessed deserves a look, without a word of it', async () => {
  const short = ['admin.token: is short enough to be guessed'];
  expect(await warningsOf('token: abcdefghijklmno')).toEqual(short);
  expect(await warningsOf(`token: "\${TOKEN}"`)).toEqual(short);
  expect(await warningsOf('token: abcdefghijklmnop')).toEqual([]);
  expect(await warningsOf('port: 9901')).toEqual([]);
});
