import path from 'node:path';

/** One file of src, its name relative to src. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** The layers from the top down. A part may import parts of lower layers; parts of one layer are strangers. */
const LAYERS: readonly (readonly string[])[] = [
  ['cli', 'index'],
  ['supervisor'],
  ['gateway'],
  ['snapshot'],
  [
    'auth',
    'server',
    'router',
    'policies',
    'aggregate',
    'batch',
    'proxy',
    'upstream',
    'stores',
    'keys',
    'observability',
    'admin',
  ],
  ['http1', 'config', 'limits', 'cache'],
  ['openapi'],
  ['json-schema'],
  ['template'],
  ['core', 'version', 'node-version'],
];

/** The arrows that are an exception. */
const ALLOWED: readonly (readonly [from: RegExp, to: RegExp])[] = [
  [/^proxy\//, /^upstream\//],
  // OpenAPI documents are read as configurations are, and configurations have routes of them.
  [/^openapi\//, /^config\/document\//],
];

/** The arrows that are forbidden though they point down: of config, policies see only the kinds of values, an entry of policies among them. */
const FORBIDDEN: readonly (readonly [from: RegExp, to: RegExp])[] = [
  [/^policies\//, /^config\/(?!schema\/(?:scalars|units|policy-entry)\.ts$)/],
];

/**
 * The way that a configuration takes, from the top down: `config/` at its top holds both ends of it, loading and problems.
 * Within a folder files may know each other.
 */
const CONFIG_LAYERS: readonly RegExp[] = [
  /^config\/(?!(?:problem|findings|issue-problems|suggest)\.ts$)[^/]+$/,
  /^config\/check\//,
  /^config\/schema\//,
  /^config\/(?:key-material|document)\//,
  /^config\/[^/]+$/,
];

const MAX_ENTRIES_PER_FOLDER = 30;
const MAX_LINES_PER_FILE = 350;

const EMPTY_NAME = /(?:^|-)(?:utils?|helpers?|common|types|manager)$/;
const DEFAULT_EXPORT = /^export\s+default\b|^export\s*\{[^}]*\bas\s+default\b/m;
// By whichever way it is loaded: the parser takes its WebAssembly through `require`.
const UNDICI = /['"](undici(?:\/[^'"]*)?)['"]/g;
const KNOWS_UNDICI = /^http1\/(?:llhttp|parser[\w-]*)\.ts$/;
const IMPORT =
  /(?:^|[\s;])(?:import|export)\b[^'";()]*?(?:from\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

/** Finds what breaks the layering and the naming rules, a sentence each. */
export function findViolations(files: readonly SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.name, importsOf(file)]));
  return [
    ...files.flatMap(violationsOfFile),
    ...[...graph].flatMap(([from, targets]) =>
      targets.flatMap((to) => violationsOfImport(from, to, (name) => graph.has(name))),
    ),
    ...findCycles(graph),
    ...findFullFolders(files),
  ];
}

function findFullFolders(files: readonly SourceFile[]): string[] {
  const entries = new Map<string, Set<string>>();
  for (const { name } of files) {
    const parts = name.split('/');
    parts.forEach((entry, i) => {
      const folder = parts.slice(0, i).join('/');
      entries.set(folder, (entries.get(folder) ?? new Set()).add(entry));
    });
  }
  return [...entries]
    .filter(([, { size }]) => size > MAX_ENTRIES_PER_FOLDER)
    .map(([folder, { size }]) => `${folder} has ${size} entries; at most ${MAX_ENTRIES_PER_FOLDER}`);
}

function violationsOfFile({ name, text }: SourceFile): string[] {
  const violations: string[] = [];
  if (layerOf(name) < 0) violations.push(`${name}: ${partOf(name)} has no place in the layering`);
  if (EMPTY_NAME.test(path.basename(name, '.ts')))
    violations.push(`${name}: a file is named after what it exports`);
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES_PER_FILE)
    violations.push(`${name} has ${lines} lines; at most ${MAX_LINES_PER_FILE}`);
  const code = withoutComments(text);
  if (DEFAULT_EXPORT.test(code)) violations.push(`${name} has a default export`);
  if (!KNOWS_UNDICI.test(name)) {
    for (const [, module] of code.matchAll(UNDICI))
      violations.push(`${name} loads ${module}: only http1/llhttp.ts and http1/parser*.ts may know undici`);
  }
  return violations;
}

function violationsOfImport(from: string, to: string, exists: (name: string) => boolean): string[] {
  if (!to.endsWith('.ts')) return [];
  if (!exists(to)) return [`${from} imports ${to}, which does not exist`];
  return pointsDown(from, to) ? [] : [`${from} imports ${to}: this arrow points the wrong way`];
}

function pointsDown(from: string, to: string): boolean {
  if (matches(FORBIDDEN, from, to)) return false;
  if (partOf(from) === 'config' && partOf(to) === 'config') return configLayerOf(from) <= configLayerOf(to);
  return partOf(from) === partOf(to) || layerOf(from) < layerOf(to) || matches(ALLOWED, from, to);
}

function matches(arrows: readonly (readonly [RegExp, RegExp])[], from: string, to: string): boolean {
  return arrows.some(([isFrom, isTo]) => isFrom.test(from) && isTo.test(to));
}

/** The folder at the top, or the file itself where it lies in none: `router/router.ts` is part of `router`. */
function partOf(name: string): string {
  return name.includes('/') ? (name.split('/')[0] as string) : path.basename(name, '.ts');
}

function layerOf(name: string): number {
  return LAYERS.findIndex((layer) => layer.includes(partOf(name)));
}

function configLayerOf(name: string): number {
  return CONFIG_LAYERS.findIndex((layer) => layer.test(name));
}

function importsOf({ name, text }: SourceFile): string[] {
  return [...withoutComments(text).matchAll(IMPORT)]
    .map((match) => (match[1] ?? match[2]) as string)
    .map((specifier) =>
      specifier.startsWith('.') ? path.posix.join(path.posix.dirname(name), specifier) : specifier,
    );
}

function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
}

function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): void => {
    const start = trail.indexOf(name);
    if (start >= 0) cycles.push(`cycle: ${[...trail.slice(start), name].join(' -> ')}`);
    if (start >= 0 || done.has(name)) return;
    for (const next of graph.get(name) ?? []) visit(next, [...trail, name]);
    done.add(name);
  };
  for (const name of graph.keys()) visit(name, []);
  return cycles;
}
