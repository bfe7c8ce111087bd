// Loads on any Node that knows modules: imports nothing, and is written without what is new.

/** The oldest Node that has all that the gateway is made of. */
const REQUIRED = [22, 19] as const;

/** Says what is wrong with a version of Node that is too old for the gateway; nothing where none is. */
export function explainOldNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > REQUIRED[0] || (major === REQUIRED[0] && minor >= REQUIRED[1])) return undefined;
  return `Sallyport needs Node.js ${REQUIRED.join('.')} or later, but this is ${version}. Install a newer one.`;
}
