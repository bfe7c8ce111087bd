import { readFile } from 'node:fs/promises';
// As a whole, since an old Node has no `registerHooks` and is to say so in our words.
import module, { createRequire, isBuiltin } from 'node:module';
import { pathToFileURL } from 'node:url';
import { findGivenCode, isCodeValue, readCodeInFile, versionOf } from './code-value.ts';

/** How a module of the user is named by what it imports: `sallyport`, `sallyport/…`, `zod`, `@fastify/cors`. */
const PACKAGE_NAME = /^(?:@[^/]+\/)?[^./][^/]*/;
const OWN_NAME = 'sallyport';

let isRegistered = false;
/** Of configurations in code, the version that was imported first, which further imports of the plain file give. */
const firstVersions = new Map<string, string>();

/**
 * Imports a module that a configuration names: a policy, an app, an auth service, a configuration in TypeScript. Once a
 * process, as every import.
 *
 * Such a file may lie anywhere, also where no `node_modules` is above it: beside a gateway that was installed globally, or
 * mounted into an image. So what it imports by the name `sallyport` is the gateway that runs, never a second copy, whose
 * values ours would not know; and a package that the gateway ships (`zod`, `fastify`) is found there where the file has
 * none of its own.
 *
 * What was given as a value (`nameGivenCode`, `nameCodeInFile`) is found by its name, as a default export.
 */
export async function importUserModule(file: string): Promise<Readonly<Record<string, unknown>>> {
  if (isCodeValue(file)) return { default: await findCodeValue(file) };
  registerOnce();
  return importFile(pathToFileURL(file).href);
}

/** Imports a configuration in code, and tells which version of the file it is that further imports then find. */
export async function importConfigModule(
  file: string,
): Promise<{ readonly exported: Readonly<Record<string, unknown>>; readonly version: string }> {
  const version = versionOf(await readFile(file));
  const exported = await importVersion(file, version);
  return { exported, version };
}

async function findCodeValue(name: string): Promise<unknown> {
  const inFile = readCodeInFile(name);
  if (inFile === undefined) return findGivenCode(name);
  let value: unknown = (await importVersion(inFile.file, inFile.version)).default;
  for (const key of inFile.path) value = (value as Record<string, unknown> | undefined)?.[key];
  return value;
}

/** A file that has changed is imported once more, as another module; one that has not is the same module ever after. */
function importVersion(file: string, version: string): Promise<Readonly<Record<string, unknown>>> {
  registerOnce();
  const { href } = pathToFileURL(file);
  const first = firstVersions.get(file) ?? version;
  firstVersions.set(file, first);
  return importFile(first === version ? href : `${href}?version=${version}`);
}

async function importFile(url: string): Promise<Readonly<Record<string, unknown>>> {
  return (await import(url)) as Readonly<Record<string, unknown>>;
}

function registerOnce(): void {
  if (isRegistered) return;
  isRegistered = true;
  const ownUrl = import.meta.url;
  const manifest = createRequire(ownUrl)('../../../package.json') as { dependencies: Record<string, string> };
  const shipped: ReadonlySet<string> = new Set(Object.keys(manifest.dependencies));
  module.registerHooks({
    resolve(specifier, context, nextResolve) {
      const name = PACKAGE_NAME.exec(specifier)?.[0];
      // The package finds itself, as the one that runs.
      if (name === OWN_NAME) return nextResolve(specifier, { ...context, parentURL: ownUrl });
      if (name === undefined || !shipped.has(name) || isBuiltin(specifier))
        return nextResolve(specifier, context);
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        return nextResolve(specifier, { ...context, parentURL: ownUrl });
      }
    },
  });
}

function isNotFound(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}
