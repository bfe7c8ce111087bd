import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { run } from './run.ts';

/** The package as it would be published. */
export interface PackedPackage {
  readonly tarball: string;
  /** The clone that it was packed in, a Git repository. */
  readonly clone: string;
  readonly files: readonly string[];
  readonly bytes: number;
  /** The versions that the package depends on. */
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Clones what is committed at `root`, installs, packs, and looks at what is in the package. */
export function packFreshClone(root: string, clone: string): PackedPackage {
  run(root, 'git', 'clone', '--quiet', root, clone);
  run(clone, 'npm', 'ci');
  const [packed] = JSON.parse(run(clone, 'npm', 'pack', '--json', '--loglevel=error')) as [
    { filename: string; files: { path: string }[] },
  ];
  const tarball = path.join(clone, packed.filename);
  const files = packed.files.map((file) => file.path);
  const { dependencies } = JSON.parse(
    readFileSync(path.join(clone, 'package.json'), 'utf8'),
  ) as PackedPackage;
  const result = { tarball, clone, files, bytes: statSync(tarball).size, dependencies };
  checkFiles(result);
  return result;
}

const NEEDED = ['dist/cli.js', 'dist/index.js', 'dist/index.d.ts', 'schema/sallyport.schema.json', 'LICENSE'];
const UNWANTED = /^(src|test|bench|demo|scripts|toolchain)\/|\.tsbuildinfo$|\.(pem|key)$|\.env/;

function checkFiles({ files, clone }: PackedPackage): void {
  const present = new Set(files);
  const missing = NEEDED.filter((name) => !present.has(name));
  const unwanted = files.filter((name) => UNWANTED.test(name));
  const dead = files
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => deadLinks(clone, name, present));
  const problems = [
    ...missing.map((name) => `${name} is not in the package`),
    ...unwanted.map((name) => `${name} is in the package`),
    ...dead,
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

function deadLinks(clone: string, page: string, present: ReadonlySet<string>): string[] {
  const text = readFileSync(path.join(clone, page), 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, link = '']) => link);
  return links
    .map((link) => path.posix.normalize(path.posix.join(path.posix.dirname(page), link)).replace(/\/$/, ''))
    .filter((target) => !present.has(target) && ![...present].some((name) => name.startsWith(`${target}/`)))
    .map((target) => `${page} links to ${target}, which is not in the package`);
}

/** Makes a folder and gives its path. */
export function makeFolder(...parts: readonly string[]): string {
  const folder = path.join(...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}
