import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const root = path.resolve(import.meta.dirname, '..');

/** What is used of TypeDoc, which stands in `toolchain/` beside the TypeScript that it needs. */
interface TypeDoc {
  readonly Application: {
    bootstrapWithPlugins(options: object): Promise<{
      convert(): Promise<object | undefined>;
      validate(project: object): void;
      generateOutputs(project: object): Promise<void>;
      readonly logger: { hasErrors(): boolean; hasWarnings(): boolean };
    }>;
  };
}

/** The kinds of what is exported and of its members, each of which has to say what it is. */
const DOCUMENTED = ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable', 'Method', 'Accessor'];

/**
 * Writes the reference of what `sallyport` exports, from its docstrings. Throws, with what TypeDoc has written, when
 * something lacks one, or a type is shown that is not exported.
 */
export async function writeApiReference(): Promise<string> {
  const require = createRequire(path.join(root, 'toolchain/package.json'));
  const plugin = require.resolve('typedoc-plugin-markdown');
  const { Application } = (await import(pathToFileURL(require.resolve('typedoc')).href)) as TypeDoc;
  const out = mkdtempSync(path.join(tmpdir(), 'sallyport-api-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      name: 'sallyport',
      entryPoints: [path.join(root, 'src/index.ts')],
      tsconfig: path.join(root, 'tsconfig.build.json'),
      plugin: [pathToFileURL(plugin).href],
      logLevel: 'Warn',
      readme: 'none',
      // Lines would change with every change of the source.
      disableSources: true,
      excludeInternal: true,
      excludePrivate: true,
      excludeProtected: true,
      excludeExternals: true,
      requiredToBeDocumented: DOCUMENTED,
      validation: { notDocumented: true, invalidLink: true, notExported: false },
      outputs: [{ name: 'markdown', path: out }],
      outputFileStrategy: 'modules',
      entryFileName: 'api.md',
      hidePageHeader: true,
      hidePageTitle: true,
      hideBreadcrumbs: true,
      useCodeBlocks: true,
      expandObjects: false,
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      classPropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      propertyMembersFormat: 'table',
      tableColumnSettings: { hideSources: true, hideModifiers: true },
    });
    const project = await app.convert();
    if (project === undefined) throw new Error('TypeDoc cannot read the sources');
    app.validate(project);
    await app.generateOutputs(project);
    if (app.logger.hasErrors() || app.logger.hasWarnings())
      throw new Error('what is exported lacks a docstring: see the warnings above');
    return readFileSync(path.join(out, 'api.md'), 'utf8');
  } finally {
    rmSync(out, { recursive: true });
  }
}
