import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FRESHNESS_ROWS } from './freshness-rows.ts';
import { HEURISTIC_ROWS } from './heuristic-rows.ts';
import { SELECTING_ROWS } from './selecting-rows.ts';
import { STORING_ROWS } from './storing-rows.ts';
import { DIRECTIVE_ROWS, USING_ROWS } from './using-rows.ts';
import { VALIDATING_ROWS } from './validating-rows.ts';

const root = path.resolve(import.meta.dirname, '../../../..');
const page = readFileSync(path.join(root, 'docs/reference/cache.md'), 'utf8');
const rows = [
  ...[FRESHNESS_ROWS, HEURISTIC_ROWS, SELECTING_ROWS, STORING_ROWS],
  ...[DIRECTIVE_ROWS, USING_ROWS, VALIDATING_ROWS],
].flat();
const tests = globSync('test/{cache,policies/cache}/*.test.ts', { cwd: root })
  .map((name) => readFileSync(path.join(root, name), 'utf8'))
  .join('\n');

/** The lines of the tables: where it stands, what has to be, its test, and whether it is held. */
const lines = [...page.matchAll(/^\| ([^|]*) \| `([^|]*)` \|(?: ([^|]*) \|)?$/gm)].map(
  ([, rule = '', title = '', held = '']) => ({ rule, title, held }),
);

describe('the reference of the cache', () => {
  it('has lines', () => expect(lines.length).toBeGreaterThan(50));

  it.each(lines)('$rule has its test: $title', ({ title, held }) => {
    const row = rows.find(({ name }) => name === title);
    if (row === undefined) expect(tests).toContain(title);
    else expect(row.differs !== undefined).toBe(held.startsWith('deliberately not'));
  });

  it('names all that is deliberately not held', () => {
    for (const { differs = '' } of rows.filter((row) => row.kind === 'required' && row.differs !== undefined))
      expect(page).toContain(differs);
  });
});
