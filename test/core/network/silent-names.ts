import { readFile } from 'node:fs/promises';
import { NameLookup, replaceSystemLookup, takeOverLookups } from '../../../src/core/network/name-lookup.ts';

// Run with the place of a silent name server: asks for eight names of it, and then reads a file.

takeOverLookups();
replaceSystemLookup(new NameLookup({ servers: [process.argv[2] as string] }));
let failed = 0;
for (let i = 0; i < 8; i++)
  fetch(`http://silent-${i}.test/`).catch((error: Error) => {
    failed++;
    if (failed === 8) console.log((error.cause as Error).message.replace(/\d/, 'N'));
  });
await readFile(import.meta.filename);
console.log(`read a file before ${8 - failed} of 8 names failed`);
