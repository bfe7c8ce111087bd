// Builds dist/ behind `npm install` in a checkout, so that `npm pack`, `npm link` and `npm install git+…` have it. Plain
// CommonJS, since an old Node could not even load the other scripts.
const { existsSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const [major, minor] = process.versions.node.split('.').map(Number);
const isTooOld = major < 22 || (major === 22 && minor < 19);
// npm sets it where it prepares a package from a Git repository, which is of no use without dist/.
const isForOthers = process.env._PACOTE_NO_PREPARE_ !== undefined;

if (isTooOld) {
  console.error(
    `dist/ was not built: Sallyport needs Node 22.19 or newer, this is ${process.versions.node}.`,
  );
  process.exitCode = isForOthers ? 1 : 0;
} else if (existsSync(path.join(root, 'node_modules/typescript'))) {
  const built = spawnSync(process.execPath, [path.join(root, 'scripts/build.ts')], { stdio: 'inherit' });
  process.exitCode = built.status ?? 1;
}
