/**
 * Writes what is generated from the code: the JSON Schema and the reference pages. With `--check` it writes nothing
 * and exits 1 when a committed file is stale.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { editorSchema } from '../src/config/schema/editor-schema.ts';
import { gatewayJsonSchema, policyJsonSchema } from '../src/config/schema/json-schema.ts';
import { FAILURES } from '../src/core/errors.ts';
import type { Policy } from '../src/core/policy.ts';
import { builtInPolicies } from '../src/policies/index.ts';
import { writeApiReference } from './api-reference.ts';
import { writeCliReference } from './cli-reference.ts';
import { describeSettings } from './describe-settings.ts';

const root = path.resolve(import.meta.dirname, '..');
const NOTICE = '<!-- Written by `npm run docs`. Change the schema in src/, not this page. -->';
const CONFIGURATION_INTRODUCTION = `\
Every setting there is. Durations are written \`250ms\`, \`5s\`, \`1m\`, \`1h\` or \`1d\`, sizes \`512B\`, \`16KiB\` or \`1MiB\`,
shares \`20%\`. Files are found from the folder of the configuration file. \`0s\` is not a limit where a time limits something, and none where it is
an amount, such as of leeway; where it could mean more than one thing, it is refused.

\`\${NAME}\`, \`\${NAME:-default}\` and \`\${file:/run/secrets/name}\` stand for a variable of the environment, one with a
default, and the text of a file. They may stand in any text; \`$\${\` is a plain \`\${\`. Quote them in YAML.
`;

const API_INTRODUCTION = `\
What \`import … from 'sallyport'\` gives. Times are in milliseconds and sizes in bytes unless a name says otherwise.
How it is used: [The gateway as a library](../guide/library.md), [Policies of your own](../guide/custom-policies.md).
`;

const wanted = await generate();
const stale = findStale(wanted);
if (!process.argv.includes('--check')) write(wanted, stale);
else if (stale.length > 0) {
  console.error(`Stale, so run \`npm run docs\`:\n${stale.join('\n')}`);
  process.exitCode = 1;
}

/** Makes the text of every generated file, by its path from the root. */
async function generate(): Promise<Map<string, string>> {
  return new Map([
    ['schema/sallyport.schema.json', `${JSON.stringify(editorSchema(builtInPolicies), null, 2)}\n`],
    ['docs/reference/configuration.md', configurationPage()],
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/cli.md', page('The command line', await writeCliReference())],
    [
      'docs/reference/api.md',
      page('The programming interface', [API_INTRODUCTION, await writeApiReference()]),
    ],
    ...builtInPolicies.map((policy): [string, string] => [
      `docs/reference/policies/${policy.name}.md`,
      policyPage(policy),
    ]),
  ]);
}

/** Names the files that are not as they should be, and the pages of policies that are no more. */
function findStale(files: ReadonlyMap<string, string>): string[] {
  const changed = [...files].filter(([name, text]) => read(name) !== text).map(([name]) => name);
  const gone = globSync('docs/reference/policies/*.md', { cwd: root }).filter((name) => !files.has(name));
  return [...changed, ...gone];
}

function read(name: string): string | undefined {
  try {
    return readFileSync(path.join(root, name), 'utf8');
  } catch {
    return undefined;
  }
}

function write(files: ReadonlyMap<string, string>, names: readonly string[]): void {
  for (const name of names) {
    const file = path.join(root, name);
    const text = files.get(name);
    if (text === undefined) {
      rmSync(file);
      continue;
    }
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

function configurationPage(): string {
  const policies = builtInPolicies.map(
    ({ name, summary }) => `- [\`${name}\`](policies/${name}.md): ${summary}`,
  );
  return page('Configuration', [
    CONFIGURATION_INTRODUCTION,
    ...describeSettings(gatewayJsonSchema(builtInPolicies)),
    '## Policies',
    '',
    'An entry of a `policies` list is a name, or a map from one name to its options. Every policy takes `id`, a name for',
    'this use of it; those that may refuse requests take `observe: true`, which decides, logs and counts, but lets pass.',
    '',
    ...policies,
  ]);
}

function policyPage(policy: Policy): string {
  const schema = policyJsonSchema(policy);
  const isList = schema.type === 'array';
  return page(`The policy \`${policy.name}\``, [
    policy.summary,
    '',
    meetingLine(policy),
    policy.position === 'first'
      ? 'It runs before all policies that may refuse, wherever it is written.'
      : 'It runs where it is written.',
    ...(isList ? [] : observingLines(policy)),
    '',
    ...(isList
      ? ['## Options', '', `A list. ${schema.description ?? ''}`]
      : describeSettings(schema, 'Options')),
  ]);
}

function meetingLine({ access, combination }: Policy): string {
  if (access === 'identifies')
    return 'A route has at most one policy that finds out who is calling: one at the top level is not replaced by its own.';
  return combination === 'replace'
    ? 'An entry in a route takes the place of the top-level one.'
    : 'A top-level entry and one in a route both run.';
}

function observingLines({ refuses, access }: Policy): string[] {
  if (!refuses) return [];
  const key = access === 'none' ? 'observe' : 'dangerouslyObserve';
  const warning = access === 'none' ? '' : ' Who is refused then gets in, which `check` warns of.';
  return [`It takes \`${key}: true\`: decide, log and count, but let pass.${warning}`];
}

function errorsPage(): string {
  const rows = Object.entries(FAILURES).map(
    ([code, { status, title, origin, retryable }]) =>
      `| \`${code}\` | ${status} | ${title} | ${origin} | ${retryable ? 'yes' : 'no'} |`,
  );
  return page('Failures', [
    'Every answer that the gateway itself makes when something is amiss, as `application/problem+json` (RFC 9457) with',
    'its `code`. Codes are never renamed. The request id in the answer leads to the cause in the log.',
    '',
    '| code | status | what it says | who caused it | may succeed later unchanged |',
    '|---|---|---|---|---|',
    ...rows,
  ]);
}

function page(title: string, lines: readonly string[]): string {
  return `${[NOTICE, '', `# ${title}`, '', ...lines].join('\n').trimEnd()}\n`;
}
