import { bundledModule } from '../support/bundled-gateway.ts';

const policyModule = bundledModule('core/policy');
const zod = bundledModule('zod');

/** Writes the code of a custom policy `test/code`, of which `create` is the body of its function. */
export function policyCode(create: string): string {
  return `
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { z } from '${zod}';
import { definePolicy } from '${policyModule}';
const worker = Number(process.env.SALLYPORT_WORKER);
const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
export const code = definePolicy({
  name: 'test/code',
  options: z.looseObject({}),
  refuses: true,
  create(options) {
    ${create}
  },
});
`;
}
