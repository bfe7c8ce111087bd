// Says clearly which Node is needed. Plain CommonJS, since an old Node could not even load the other scripts.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `Sallyport needs Node 22.19 or newer, this is Node ${process.versions.node}. On Linux x64 'npm ci' brings ` +
      'a Node 24 along (unless run with --omit=optional); elsewhere install Node 24 and try again.',
  );
  process.exit(1);
}
